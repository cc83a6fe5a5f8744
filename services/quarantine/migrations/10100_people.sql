-- migrate:up

-- Drills. The row '' stands for "real", so that every fact refers to a drill or to reality, and a foreign key can insist on it.
CREATE TABLE drills (
    drill_id text NOT NULL,
    title text NOT NULL,
    area text NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_by text,
    ended_at timestamptz,
    CONSTRAINT drills_pkey PRIMARY KEY (drill_id),
    CONSTRAINT drills_id_check CHECK (drill_id ~ '^[a-z0-9-]{0,64}$'),
    CONSTRAINT drills_ended_check CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT drills_real_check CHECK (drill_id <> '' OR ended_at IS NULL)
);
INSERT INTO drills (drill_id, title, area, started_by, started_at) VALUES ('', '', '', '', 'epoch');

CREATE TABLE households (
    household_id uuid NOT NULL,
    area text NOT NULL,
    drill_id text NOT NULL DEFAULT '',
    CONSTRAINT households_pkey PRIMARY KEY (household_id),
    CONSTRAINT households_id_drill_key UNIQUE (household_id, drill_id),
    CONSTRAINT households_area_check CHECK (area ~ '^[0-9]{12,18}$'),
    CONSTRAINT households_drill_fkey FOREIGN KEY (drill_id) REFERENCES drills (drill_id)
);

-- data_key is the person's own key, wrapped by the vault's; erasing a person is setting it to NULL.
CREATE TABLE residents (
    resident_id uuid NOT NULL,
    household_id uuid NOT NULL,
    area text NOT NULL,
    drill_id text NOT NULL DEFAULT '',
    data_key bytea,
    sealed bytea,
    id_index bytea,
    CONSTRAINT residents_pkey PRIMARY KEY (resident_id),
    CONSTRAINT residents_id_drill_key UNIQUE (resident_id, drill_id),
    CONSTRAINT residents_id_index_key UNIQUE (id_index),
    CONSTRAINT residents_household_fkey FOREIGN KEY (household_id, drill_id) REFERENCES households (household_id, drill_id)
);
CREATE INDEX residents_household_idx ON residents (household_id);

-- The card's number follows from card_id and a secret of the vault; it is stored nowhere.
CREATE TABLE paper_cards (
    card_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT paper_cards_pkey PRIMARY KEY (card_id),
    CONSTRAINT paper_cards_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id)
);
CREATE INDEX paper_cards_resident_idx ON paper_cards (resident_id);

-- Who read whose data, and what for.
CREATE TABLE personal_reads (
    read_id bigint GENERATED ALWAYS AS IDENTITY,
    resident_id uuid NOT NULL,
    caller text NOT NULL,
    purpose text NOT NULL,
    purpose_ref text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT personal_reads_pkey PRIMARY KEY (read_id)
);
CREATE INDEX personal_reads_resident_idx ON personal_reads (resident_id, at);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON drills, households, residents, paper_cards, personal_reads TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (ended_by, ended_at) ON drills TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (revoked_at) ON paper_cards TO %I', current_schema());
END
$$;

-- migrate:down
