-- migrate:up

-- What the public may know of the signing keys; the private halves are in the vault under the name <use>-<version>. A row whose
-- public key is not the vault's is believed by nobody, so that a key cannot be slipped in here.
CREATE TABLE signing_keys (
    kid bytea NOT NULL,
    use text NOT NULL,
    version integer NOT NULL,
    public_key bytea NOT NULL,
    origin text NOT NULL DEFAULT '',
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT signing_keys_pkey PRIMARY KEY (kid, use),
    CONSTRAINT signing_keys_version_key UNIQUE (use, version),
    CONSTRAINT signing_keys_kid_check CHECK (octet_length(kid) = 8),
    CONSTRAINT signing_keys_use_check CHECK (use IN ('pass', 'drill_pass', 'log', 'sealing')),
    CONSTRAINT signing_keys_version_check CHECK (version >= 1),
    CONSTRAINT signing_keys_origin_check CHECK ((use = 'log') = (origin <> '')),
    CONSTRAINT signing_keys_period_check CHECK (not_before < not_after)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON signing_keys TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (not_after, revoked_at) ON signing_keys TO %I', current_schema());
END
$$;

-- migrate:down
