-- migrate:up
-- Counts for the dashboard, kept by the facts' own tables: whoever writes a fact, its counts change in the same transaction. A count is
-- never set, only moved: each fact adds a row that says by how much, so that writers never wait for each other. The service adds these
-- rows up into days (`summary_days`) every few seconds and deletes them; totals are the sum of both in one snapshot, and so exact at any moment.

-- What of a venue counts as long as it is open. Kinds of letters are bits: 1 letter of responsibility, 2 notice.
CREATE TABLE counted_venues (
    venue_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    drill_id text NOT NULL,
    closed boolean NOT NULL,
    -- Zones with a code in force.
    codes integer NOT NULL DEFAULT 0,
    served smallint NOT NULL DEFAULT 0,
    acknowledged smallint NOT NULL DEFAULT 0,
    inspected boolean NOT NULL DEFAULT false,
    CONSTRAINT counted_venues_pkey PRIMARY KEY (venue_id),
    CONSTRAINT counted_venues_codes_check CHECK (codes >= 0),
    CONSTRAINT counted_venues_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id)
) WITH (fillfactor = 80);

-- metric, of venues that are open, on the day 1970-01-01: 1 registered, 2 on the code, 3 letter served, 4 notice served, 5 letter
-- acknowledged, 6 notice acknowledged, 7 inspected. By local day: 10 inspections, 11 failed, 12 notices, 13 yellow cards, 14 red cards,
-- 15 suspensions, 16 lifts, 17 reopened, 18 annulled.
CREATE TABLE summary_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    drill_id text NOT NULL,
    day date NOT NULL,
    metric smallint NOT NULL,
    change integer NOT NULL,
    CONSTRAINT summary_changes_pkey PRIMARY KEY (seq)
);

-- Of each venue area (level 0), and of the districts and sub-districts around it (6 and 9 digits); category 0: of all.
CREATE TABLE summary_days (
    level smallint NOT NULL,
    drill_id text NOT NULL,
    category smallint NOT NULL,
    area text COLLATE "C" NOT NULL,
    day date NOT NULL,
    metric smallint NOT NULL,
    total integer NOT NULL,
    CONSTRAINT summary_days_pkey PRIMARY KEY (level, drill_id, category, area, day, metric)
) WITH (fillfactor = 80);

CREATE INDEX counted_venues_closed_idx ON counted_venues (area) INCLUDE (venue_id) WHERE closed;
CREATE INDEX suspensions_ends_idx ON suspensions (ends_at);
-- All that the count of what is late asks for.
CREATE INDEX ladder_heads_late_idx ON ladder_heads (drill_id, area, due_at) INCLUDE (climb_hours) WHERE state > 0;

CREATE FUNCTION district_day(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (at AT TIME ZONE INTERVAL '08:00')::date;

-- What a venue counts for.
CREATE FUNCTION counted(closed boolean, codes integer, served smallint, acknowledged smallint, inspected boolean)
RETURNS TABLE (metric smallint, counts integer) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT metric, 1 FROM (VALUES
        (1::smallint, true), (2::smallint, codes > 0), (3::smallint, served & 1 <> 0), (4::smallint, served & 2 <> 0),
        (5::smallint, acknowledged & 1 <> 0), (6::smallint, acknowledged & 2 <> 0), (7::smallint, inspected)
    ) AS m (metric, holds) WHERE holds AND NOT closed
$$;

CREATE FUNCTION count_venues() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
        SELECT n.area, n.category, n.drill_id, '1970-01-01', c.metric, count(*)
        FROM new_rows n CROSS JOIN LATERAL counted(n.closed, n.codes, n.served, n.acknowledged, n.inspected) c
        GROUP BY 1, 2, 3, 5;
    ELSE
        INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
        SELECT area, category, drill_id, '1970-01-01', metric, sum(counts) FROM (
            SELECT n.area, n.category, n.drill_id, c.metric, c.counts
            FROM new_rows n CROSS JOIN LATERAL counted(n.closed, n.codes, n.served, n.acknowledged, n.inspected) c
            UNION ALL
            SELECT o.area, o.category, o.drill_id, c.metric, -c.counts
            FROM old_rows o CROSS JOIN LATERAL counted(o.closed, o.codes, o.served, o.acknowledged, o.inspected) c
        ) AS moved
        GROUP BY area, category, drill_id, metric HAVING sum(counts) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER counted_venues_added AFTER INSERT ON counted_venues REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_venues();
CREATE TRIGGER counted_venues_changed AFTER UPDATE ON counted_venues REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_venues();

-- The register.
CREATE FUNCTION count_registered() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO counted_venues (venue_id, area, category, drill_id, closed)
    SELECT venue_id, area, category, drill_id, closed_at IS NOT NULL FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER venues_counted AFTER INSERT ON venues REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_registered();

CREATE FUNCTION count_closed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE counted_venues SET closed = NEW.closed_at IS NOT NULL WHERE venue_id = NEW.venue_id;
    RETURN NULL;
END $$;
CREATE TRIGGER venues_closed_counted AFTER UPDATE OF closed_at ON venues FOR EACH ROW
    WHEN ((OLD.closed_at IS NULL) <> (NEW.closed_at IS NULL)) EXECUTE FUNCTION count_closed();

CREATE FUNCTION count_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE counted_venues c SET codes = c.codes + n.codes
    FROM (SELECT venue_id, count(*) AS codes FROM new_rows WHERE code IS NOT NULL GROUP BY venue_id) n
    WHERE c.venue_id = n.venue_id;
    RETURN NULL;
END $$;
CREATE TRIGGER zones_counted AFTER INSERT ON zones REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_codes();

CREATE FUNCTION count_code() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE counted_venues SET codes = codes + CASE WHEN NEW.code IS NULL THEN -1 ELSE 1 END WHERE venue_id = NEW.venue_id;
    RETURN NULL;
END $$;
CREATE TRIGGER zones_code_counted AFTER UPDATE OF code ON zones FOR EACH ROW
    WHEN ((OLD.code IS NULL) <> (NEW.code IS NULL)) EXECUTE FUNCTION count_code();

-- Letters and notices.
CREATE FUNCTION count_served() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE counted_venues c SET served = c.served | t.kind
    FROM obligations o JOIN obligation_templates t USING (template_id)
    WHERE o.obligation_id = NEW.obligation_id AND c.venue_id = o.venue_id AND c.served & t.kind = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER obligation_services_counted AFTER INSERT ON obligation_services FOR EACH ROW EXECUTE FUNCTION count_served();

CREATE FUNCTION count_acknowledged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE counted_venues c SET acknowledged = c.acknowledged | t.kind
    FROM obligations o JOIN obligation_templates t USING (template_id)
    WHERE o.obligation_id = NEW.obligation_id AND c.venue_id = o.venue_id AND c.acknowledged & t.kind = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER obligation_acknowledgements_counted AFTER INSERT ON obligation_acknowledgements
    FOR EACH ROW EXECUTE FUNCTION count_acknowledged();

-- Inspections belong to the day on which they were made, also when they are uploaded days later.
CREATE FUNCTION count_inspections() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
    SELECT area, category, drill_id, district_day(inspected_at), metric, count(*)
    FROM new_rows CROSS JOIN LATERAL (VALUES (10, true), (11, NOT passed)) AS m (metric, holds)
    WHERE subject = 1 AND holds GROUP BY 1, 2, 3, 4, 5;
    UPDATE counted_venues c SET inspected = true
    FROM (SELECT DISTINCT venue_id FROM new_rows WHERE subject = 1) n WHERE c.venue_id = n.venue_id AND NOT c.inspected;
    RETURN NULL;
END $$;
CREATE TRIGGER inspections_counted AFTER INSERT ON inspections REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_inspections();

-- Papers 2 to 4 are issued when the inspection is recorded.
CREATE FUNCTION count_papers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
    SELECT i.area, i.category, i.drill_id, district_day(i.recorded_at), 10 + n.paper, count(*)
    FROM new_rows n JOIN inspections i ON i.inspection_id = n.measure_id
    WHERE n.paper BETWEEN 2 AND 4 GROUP BY 1, 2, 3, 4, 5;
    RETURN NULL;
END $$;
CREATE TRIGGER measure_papers_counted AFTER INSERT ON measure_papers REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_papers();

-- An extension answers a proposal of its own; the first decision answers the failed inspection.
CREATE FUNCTION count_suspended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
    SELECT i.area, i.category, i.drill_id, district_day(f.recorded_at), 15, count(*)
    FROM new_rows n JOIN ladder_facts f ON f.fact_id = n.suspension_id JOIN inspections i ON i.inspection_id = n.measure_id
    WHERE f.refers_to = n.measure_id GROUP BY 1, 2, 3, 4;
    RETURN NULL;
END $$;
CREATE TRIGGER suspensions_counted AFTER INSERT ON suspensions REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_suspended();

-- A lift is a reopening if the venue was suspended since the lift before. An appeal that is upheld takes back all that its inspection
-- counted for: facts of a venue are ordered by its lock, so none of it can come later.
CREATE FUNCTION count_decided() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
    SELECT v.area, v.category, v.drill_id, district_day(n.recorded_at), m.metric, count(*)
    FROM new_rows n JOIN counted_venues v USING (venue_id)
    CROSS JOIN LATERAL (VALUES
        (16, true),
        (17, EXISTS (SELECT FROM ladder_facts s WHERE s.venue_id = n.venue_id AND s.kind = 3 AND s.ordinal < n.ordinal
             AND NOT EXISTS (SELECT FROM ladder_facts l WHERE l.venue_id = n.venue_id AND l.kind = 6
                             AND l.ordinal BETWEEN s.ordinal AND n.ordinal - 1)))
    ) AS m (metric, holds)
    WHERE n.kind = 6 AND m.holds GROUP BY 1, 2, 3, 4, 5;

    INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
    SELECT i.area, i.category, i.drill_id, m.day, m.metric, sum(m.change)
    FROM new_rows n JOIN inspections i ON i.inspection_id = n.measure_id
    CROSS JOIN LATERAL (
        SELECT district_day(n.recorded_at) AS day, 18 AS metric, 1 AS change
        UNION ALL SELECT district_day(i.inspected_at), 11, -1
        UNION ALL SELECT district_day(i.recorded_at), 10 + p.paper, -1 FROM measure_papers p
            WHERE p.measure_id = n.measure_id AND p.paper BETWEEN 2 AND 4
        UNION ALL SELECT district_day(f.recorded_at), 15, -1 FROM ladder_facts f
            WHERE f.measure_id = n.measure_id AND f.kind = 3 AND f.refers_to = n.measure_id
    ) m
    WHERE n.kind = 8 AND n.upheld GROUP BY 1, 2, 3, 4, 5;
    RETURN NULL;
END $$;
CREATE TRIGGER ladder_facts_counted AFTER INSERT ON ladder_facts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_decided();

-- What was there before this migration. The triggers above are made first, and their tables are locked against writers by that.
INSERT INTO counted_venues (venue_id, area, category, drill_id, closed, codes, served, acknowledged, inspected)
SELECT v.venue_id, v.area, v.category, v.drill_id, v.closed_at IS NOT NULL,
       (SELECT count(*) FROM zones z WHERE z.venue_id = v.venue_id AND z.code IS NOT NULL),
       coalesce((SELECT bit_or(t.kind) FROM obligations o JOIN obligation_templates t USING (template_id)
                 JOIN obligation_services s USING (obligation_id) WHERE o.venue_id = v.venue_id), 0),
       coalesce((SELECT bit_or(t.kind) FROM obligations o JOIN obligation_templates t USING (template_id)
                 JOIN obligation_acknowledgements a USING (obligation_id) WHERE o.venue_id = v.venue_id), 0),
       EXISTS (SELECT FROM inspections i WHERE i.venue_id = v.venue_id)
FROM venues v;
WITH annulled AS (
    SELECT measure_id, recorded_at FROM ladder_facts WHERE kind = 8 AND upheld
), facts AS (
    SELECT i.area, i.category, i.drill_id, district_day(i.inspected_at) AS day, 10 AS metric FROM inspections i WHERE i.subject = 1
    UNION ALL SELECT i.area, i.category, i.drill_id, district_day(i.inspected_at), 11 FROM inspections i
        WHERE i.subject = 1 AND NOT i.passed AND i.inspection_id NOT IN (SELECT measure_id FROM annulled)
    UNION ALL SELECT i.area, i.category, i.drill_id, district_day(i.recorded_at), 10 + p.paper
        FROM measure_papers p JOIN inspections i ON i.inspection_id = p.measure_id
        WHERE p.paper BETWEEN 2 AND 4 AND p.measure_id NOT IN (SELECT measure_id FROM annulled)
    UNION ALL SELECT i.area, i.category, i.drill_id, district_day(f.recorded_at), 15
        FROM ladder_facts f JOIN inspections i ON i.inspection_id = f.measure_id
        WHERE f.kind = 3 AND f.refers_to = f.measure_id AND f.measure_id NOT IN (SELECT measure_id FROM annulled)
    UNION ALL SELECT v.area, v.category, v.drill_id, district_day(f.recorded_at), 16
        FROM ladder_facts f JOIN venues v USING (venue_id) WHERE f.kind = 6
    UNION ALL SELECT v.area, v.category, v.drill_id, district_day(f.recorded_at), 17
        FROM ladder_facts f JOIN venues v USING (venue_id)
        WHERE f.kind = 6 AND EXISTS (
            SELECT FROM ladder_facts s WHERE s.venue_id = f.venue_id AND s.kind = 3 AND s.ordinal < f.ordinal
            AND NOT EXISTS (SELECT FROM ladder_facts l WHERE l.venue_id = f.venue_id AND l.kind = 6
                            AND l.ordinal BETWEEN s.ordinal AND f.ordinal - 1))
    UNION ALL SELECT i.area, i.category, i.drill_id, district_day(a.recorded_at), 18
        FROM annulled a JOIN inspections i ON i.inspection_id = a.measure_id
)
INSERT INTO summary_changes (area, category, drill_id, day, metric, change)
SELECT area, category, drill_id, day, metric, count(*) FROM facts GROUP BY 1, 2, 3, 4, 5;

DO $$
DECLARE
    counting text;
BEGIN
    FOREACH counting IN ARRAY '{count_venues,count_registered,count_closed,count_codes,count_code,count_served,count_acknowledged,count_inspections,count_papers,count_suspended,count_decided}'::text[] LOOP
        -- Temporary tables last: nobody may put one of his own in front of ours while the owner's rights are in use.
        EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', counting, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %I() FROM PUBLIC', counting);
    END LOOP;
    EXECUTE format('GRANT SELECT ON counted_venues TO %I', current_schema());
    EXECUTE format('GRANT SELECT, DELETE ON summary_changes TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON summary_days TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
