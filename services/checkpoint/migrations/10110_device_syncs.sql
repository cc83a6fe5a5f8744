-- migrate:up

-- When each scanner last followed the list, so that one which has fallen silent is missed whichever replica it spoke to.
-- Written twice a minute for those connected; a scanner belongs to a post and tells nothing about passers-by.
CREATE TABLE device_syncs (
    device_id uuid NOT NULL,
    synced_at timestamptz NOT NULL,
    CONSTRAINT device_syncs_pkey PRIMARY KEY (device_id),
    CONSTRAINT device_syncs_device_fkey FOREIGN KEY (device_id) REFERENCES devices (device_id) ON DELETE CASCADE
) WITH (fillfactor = 50);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON device_syncs TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
