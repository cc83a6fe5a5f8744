-- migrate:up
-- Visits: tags and places, partitioned by the tag's local day and dropped with it.
--
-- Fifty million of these rows are normal, so every byte is weighed (docs/decisions/0015-storage-of-visits.md): 40 bytes of data,
-- in an order without padding; with at most 8 columns the mark of a NULL is free. Readers take the view `visits_plain`.
CREATE TABLE visits (
    -- The client's 8 bytes, as a big-endian number.
    visit_key bigint NOT NULL,
    -- 16 bytes without a length byte; not a UUID otherwise.
    tag uuid NOT NULL,
    day date NOT NULL,
    -- The hour of the check-in and the zone: hour * 2^26 + zone.
    place integer NOT NULL,
    -- Seconds from the start of `day` (Asia/Shanghai, which has no summer time) to the check-in.
    entered integer NOT NULL,
    -- Bits, the lowest first: 17 of the stay (seconds until the check-out, or the category's default dwell), 2 of the grade less 1,
    -- late, overstay, checked out. See `visits_plain` and venue.visits.model.
    facts integer NOT NULL,
    -- NULL: a real visit.
    drill_id text,
    CONSTRAINT visits_entered_check CHECK (entered BETWEEN 0 AND 86399),
    CONSTRAINT visits_place_check CHECK (place >= 0 AND place >> 26 = entered / 3600),
    CONSTRAINT visits_facts_check CHECK (facts BETWEEN 0 AND 4194303 AND (facts & 131071) <= 86400),
    CONSTRAINT visits_drill_check CHECK (drill_id <> '')
) PARTITION BY RANGE (day);

-- By hour first: whoever comes now is written near the others who come now. Ordered by zone first, each zone's end would be
-- split in halves that nothing fills any more, and a day's worth of pages would be written to. A stay is searched for in the
-- few hours in which it can have begun. Everything that a search wants is in the index, the day too, because the planner does
-- not know that a partition has only one.
CREATE INDEX visits_place_idx ON visits (place, entered) INCLUDE (facts, day, tag)
    WITH (fillfactor = 100) WHERE drill_id IS NULL;
-- Nearly nobody stays longer than the category's default dwell, so the search looks for these apart (bit 20), instead of reading
-- a whole day before the case's visit.
CREATE INDEX visits_overstay_idx ON visits (place, entered) INCLUDE (facts, day, tag)
    WITH (fillfactor = 100) WHERE drill_id IS NULL AND (facts & 1048576) <> 0;
CREATE INDEX visits_drill_idx ON visits (place, entered) WITH (fillfactor = 100) WHERE drill_id IS NOT NULL;

-- One index per day is the index by tag and the key against repeats. Within a partition the day is the same for all, and of the 16
-- random bytes of a tag 8 are enough: should two people's meet, which a district sees once in a million years, and both use one
-- visit key, then the second is refused as a mismatch.
INSERT INTO day_partitioned (parent, unique_by, reindex_after_days)
VALUES ('visits', 'uuid_hash_extended(tag, 0), visit_key', 4);

CREATE VIEW visits_plain WITH (security_invoker = true) AS
SELECT day,
       tag,
       uuid_hash_extended(tag, 0) AS tag_hash,
       visit_key,
       place,
       place & 67108863 AS zone,
       entered,
       facts & 131071 AS stay,
       ((facts >> 17) & 3) + 1 AS grade,
       (facts & 524288) <> 0 AS late,
       (facts & 1048576) <> 0 AS overstay,
       (facts & 2097152) <> 0 AS checked_out,
       drill_id
FROM visits;

DO $$
BEGIN
    -- UPDATE for the sake of FOR UPDATE: what may be changed is decided by the rights to the table.
    EXECUTE format('GRANT SELECT, UPDATE ON visits_plain TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON visits TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (facts) ON visits TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
