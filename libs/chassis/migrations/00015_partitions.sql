-- migrate:up

-- Tables with a partition for each local day. The service's login role owns nothing; it makes and drops days through two
-- functions of the owner, which take only the tables that migrations list here.
CREATE TABLE day_partitioned (
    parent text NOT NULL,
    -- What is unique within a day, as the columns of an index that each partition gets. A primary key of the parent would have to
    -- repeat the day in every entry.
    unique_by text,
    -- So many days after its own a partition is written to no more, and its indexes are built anew without their gaps.
    reindex_after_days integer,
    CONSTRAINT day_partitioned_pkey PRIMARY KEY (parent)
);

-- Which closed partitions were reindexed, and who is at it: a replica takes the row first (`began`), and another only after an
-- hour without `done`.
CREATE TABLE day_reindexed (
    parent text NOT NULL,
    day date NOT NULL,
    began timestamptz NOT NULL,
    done boolean NOT NULL DEFAULT false,
    CONSTRAINT day_reindexed_pkey PRIMARY KEY (parent, day)
);

CREATE FUNCTION ensure_day_partitions(parent text, first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    wanted date;
    partition text;
    listed day_partitioned;
    made integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM day_partitioned d WHERE d.parent = ensure_day_partitions.parent) THEN
        RAISE EXCEPTION '% is not partitioned by day', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF last_day - first_day > 400 THEN
        RAISE EXCEPTION 'more than 400 days asked for' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Replicas that start together wait for each other instead of failing on the same name.
    PERFORM pg_advisory_xact_lock(hashtext(current_schema() || '.' || parent));
    FOR wanted IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
        partition := parent || '_' || to_char(wanted, 'YYYYMMDD');
        IF to_regclass(quote_ident(partition)) IS NULL THEN
            -- Made apart and attached: attaching does not block those who read and write other days.
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)',
                           partition, parent);
            SELECT d.* INTO listed FROM day_partitioned d WHERE d.parent = ensure_day_partitions.parent;
            IF listed.unique_by IS NOT NULL THEN
                EXECUTE format('CREATE UNIQUE INDEX %I ON %I (%s) WITH (fillfactor = 100)',
                               partition || '_unique', partition, listed.unique_by);
            END IF;
            IF listed.reindex_after_days IS NOT NULL THEN
                -- REINDEX CONCURRENTLY runs in no function, so the service does it under its own name.
                EXECUTE format('GRANT MAINTAIN ON %I TO %I', partition, current_schema());
            END IF;
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, partition, wanted, wanted + 1);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION drop_day_partitions(parent text, before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
-- Dropping locks the parent. Waiting long behind a slow reader would make everybody else wait behind us: we give up soon
-- and are called again.
SET lock_timeout = '2s' AS $$
DECLARE
    partition text;
    dropped integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM day_partitioned d WHERE d.parent = drop_day_partitions.parent) THEN
        RAISE EXCEPTION '% is not partitioned by day', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext(current_schema() || '.' || parent));
    FOR partition IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = to_regclass(quote_ident(parent))
          AND right(child.relname, 8) < to_char(before, 'YYYYMMDD')
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM day_reindexed r WHERE r.parent = drop_day_partitions.parent AND r.day < before;
    RETURN dropped;
END $$;

-- Drops what a REINDEX CONCURRENTLY that was interrupted left in a partition.
CREATE FUNCTION drop_broken_indexes(parent text, day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    broken text;
    dropped integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM day_partitioned d WHERE d.parent = drop_broken_indexes.parent) THEN
        RAISE EXCEPTION '% is not partitioned by day', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR broken IN
        SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = to_regclass(quote_ident(parent || '_' || to_char(day, 'YYYYMMDD')))
          AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP INDEX %I', broken);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION ensure_day_partitions(text, date, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_day_partitions(text, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_broken_indexes(text, date) FROM PUBLIC;

DO $$
BEGIN
    -- Temporary tables last: nobody may put one of his own in front of ours while the owner's rights are in use.
    EXECUTE format('ALTER FUNCTION ensure_day_partitions(text, date, date) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_day_partitions(text, date) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_broken_indexes(text, date) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('GRANT SELECT ON day_partitioned TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON day_reindexed TO %I', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION ensure_day_partitions(text, date, date) TO %I', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION drop_day_partitions(text, date) TO %I', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION drop_broken_indexes(text, date) TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
