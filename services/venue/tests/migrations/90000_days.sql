-- migrate:up
-- The days around the tests' clock, made once in the template database instead of in each test.
SELECT ensure_day_partitions(parent, DATE '2022-03-07', DATE '2022-03-11') FROM day_partitioned;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
