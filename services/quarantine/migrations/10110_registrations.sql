-- migrate:up

-- How a household came into the register. The row is also the memory of the request: sent again, it is answered as before. The digest is
-- keyed with a secret of the vault, because a plain hash of names and national IDs could be guessed from a dump.
-- channel: 1 by the household itself, 2 by proxy, 3 import (the numbers of RegistrationChannel).
CREATE TABLE registrations (
    household_id uuid NOT NULL,
    request_id uuid NOT NULL,
    digest bytea NOT NULL,
    channel smallint NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    consent_given_at timestamptz,
    consent_sha256 bytea,
    CONSTRAINT registrations_pkey PRIMARY KEY (household_id),
    CONSTRAINT registrations_request_key UNIQUE (request_id),
    CONSTRAINT registrations_household_fkey FOREIGN KEY (household_id) REFERENCES households (household_id),
    CONSTRAINT registrations_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT registrations_channel_check CHECK (channel BETWEEN 1 AND 3),
    CONSTRAINT registrations_proxy_check CHECK (channel <> 2 OR consent_given_at IS NOT NULL),
    CONSTRAINT registrations_consent_check CHECK (
        (consent_given_at IS NULL) = (consent_sha256 IS NULL) AND coalesce(octet_length(consent_sha256) = 32, true)
    )
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON registrations TO %I', current_schema());
END
$$;

-- migrate:down
