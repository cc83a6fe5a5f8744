-- migrate:up
-- Visits: tags and places, partitioned by the tag's local day and dropped with it.
--
-- Fifty million of these rows are normal, so every byte is weighed: the columns stand in an order without padding, times are
-- seconds (a presentation signs whole seconds) within the tag's day, and the primary key is also the index by tag and the
-- idempotency key. 76 B a row and 44 B in each of the two indexes.
CREATE TABLE visits (
    zone integer NOT NULL,
    -- Seconds from the start of `day` (Asia/Shanghai, which has no summer time) to the check-in.
    entered integer NOT NULL,
    -- Seconds until the check-out, or the category's default dwell.
    stay integer NOT NULL,
    day date NOT NULL,
    -- 16 bytes without a length byte; not a UUID otherwise.
    tag uuid NOT NULL,
    grade smallint NOT NULL,
    late boolean NOT NULL,
    -- Longer than the category's default dwell. Nearly no visit is, so the search looks for these apart, in an index of
    -- their own, instead of reading a whole day before the case's visit.
    overstay boolean NOT NULL,
    -- The end was told by a check-out, so a second one does not move it.
    checked_out boolean NOT NULL DEFAULT false,
    visit_key bytea NOT NULL,
    drill_id text NOT NULL,
    CONSTRAINT visits_pkey PRIMARY KEY (day, tag, visit_key),
    CONSTRAINT visits_entered_check CHECK (entered BETWEEN 0 AND 86399),
    CONSTRAINT visits_stay_check CHECK (stay BETWEEN 0 AND 86400),
    CONSTRAINT visits_grade_check CHECK (grade BETWEEN 1 AND 4),
    CONSTRAINT visits_visit_key_check CHECK (octet_length(visit_key) = 8)
) PARTITION BY RANGE (day);
-- Everything that a search wants is in the index, so that a closed partition is searched without touching its rows.
CREATE INDEX visits_zone_idx ON visits (zone, entered) INCLUDE (stay, tag, grade, late, drill_id);
CREATE INDEX visits_overstay_idx ON visits (zone, entered) INCLUDE (stay, tag, grade, late, drill_id) WHERE overstay;

INSERT INTO day_partitioned (parent) VALUES ('visits');

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON visits TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (stay, overstay, checked_out) ON visits TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
