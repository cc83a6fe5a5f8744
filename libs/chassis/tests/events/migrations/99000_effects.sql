-- migrate:up

-- Where the tests' handlers leave their effects, and partitions around the day on which the tests' clock stands.
CREATE TABLE effects (number bigserial PRIMARY KEY, aggregate text NOT NULL DEFAULT '', text text NOT NULL);
SELECT ensure_day_partitions(parent, '2022-03-08', '2022-03-12') FROM day_partitioned;
DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON effects TO %I', current_schema());
    EXECUTE format('GRANT USAGE ON SEQUENCE effects_number_seq TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
