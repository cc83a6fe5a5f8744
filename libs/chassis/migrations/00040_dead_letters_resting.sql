-- migrate:up

-- Letters that nobody put back are counted every few seconds by every replica, beside payloads that may be long.
CREATE INDEX dead_letters_resting_idx ON dead_letters (consumer, day) WHERE NOT requeued;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
