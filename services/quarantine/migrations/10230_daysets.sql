-- migrate:up

-- The tables by day refer to nothing: attaching a partition with a foreign key locks the table it refers to, and these rows are derived.

-- One row per list that is kept: its lock puts the writers of that list in order. generation 0: no base yet. The
-- counts are of records published, without padding, and decide when a new generation is worth its bytes.
CREATE TABLE day_set_heads (
    day date NOT NULL,
    drill_id text NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    last_number integer NOT NULL DEFAULT 0,
    base_parts integer NOT NULL DEFAULT 0,
    base_records integer NOT NULL DEFAULT 0,
    change_records integer NOT NULL DEFAULT 0,
    CONSTRAINT day_set_heads_pkey PRIMARY KEY (day, drill_id),
    CONSTRAINT day_set_heads_numbers_check CHECK (last_number >= base_parts)
) PARTITION BY RANGE (day);

-- Who is on the list of a day, and under which reference. Inactive rows stay until the day is dropped, so that a reference somebody was
-- shown that day can still be explained.
CREATE TABLE day_set_entries (
    day date NOT NULL,
    reference bytea NOT NULL,
    drill_id text NOT NULL,
    resident_id uuid NOT NULL,
    restriction_id uuid NOT NULL,
    reason smallint NOT NULL,
    end_minute integer,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT day_set_entries_pkey PRIMARY KEY (day, reference),
    CONSTRAINT day_set_entries_reference_check CHECK (octet_length(reference) = 8)
) PARTITION BY RANGE (day);
CREATE UNIQUE INDEX day_set_entries_active_idx ON day_set_entries (day, resident_id) WHERE active;

-- Segments as they were published, whole.
CREATE TABLE day_set_published (
    day date NOT NULL,
    drill_id text NOT NULL,
    generation integer NOT NULL,
    number integer NOT NULL,
    segment bytea NOT NULL,
    CONSTRAINT day_set_published_pkey PRIMARY KEY (day, drill_id, generation, number)
) PARTITION BY RANGE (day);

-- Whose entry (or card) on a coming day has to be looked at again, at the latest at due_at, or when that day becomes today. Decisions about
-- several people go out together on those days, so that the hour of an extra segment does not tell one day's entry from another's.
CREATE TABLE day_set_pending (
    day date NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT day_set_pending_pkey PRIMARY KEY (day, resident_id),
    CONSTRAINT day_set_pending_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id)
);
CREATE TABLE day_set_pending_cards (
    day date NOT NULL,
    card_id uuid NOT NULL,
    drill_id text NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT day_set_pending_cards_pkey PRIMARY KEY (day, card_id),
    CONSTRAINT day_set_pending_cards_card_fkey FOREIGN KEY (card_id) REFERENCES paper_cards (card_id)
);

INSERT INTO day_partitioned (parent) VALUES ('day_set_heads'), ('day_set_entries'), ('day_set_published');

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON day_set_heads, day_set_entries, day_set_published TO %I', current_schema());
    EXECUTE format('GRANT UPDATE ON day_set_heads TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (active) ON day_set_entries TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON day_set_pending, day_set_pending_cards TO %I', current_schema());
END
$$;

-- migrate:down
