-- migrate:up
-- What visits say about places: how many people are inside, and how the zones' codes are used. Nothing here is about people.

-- What a transaction that wrote visits leaves for the fold, in one row for each day: one number for each visit, of its zone, the
-- minutes from the start of the day in which it begins and ends, and its grade (0: the end was moved from one minute to another);
-- see venue.watch.model. Within seconds it is folded into the tables below and deleted.
CREATE TABLE visit_notes (
    day date NOT NULL,
    drill_id text NOT NULL,
    packed bigint[] NOT NULL
) PARTITION BY RANGE (day);
INSERT INTO day_partitioned (parent) VALUES ('visit_notes');

-- Up to which minute (since 1970) arrivals and departures are in `zone_occupancy`.
CREATE TABLE occupancy_state (
    one boolean NOT NULL DEFAULT true,
    through integer NOT NULL,
    CONSTRAINT occupancy_state_pkey PRIMARY KEY (one),
    CONSTRAINT occupancy_state_one_check CHECK (one)
);
INSERT INTO occupancy_state (through) VALUES (0);

-- Departures (and arrivals of clocks that run ahead) in minutes still to come.
CREATE TABLE zone_changes (
    minute integer NOT NULL,
    zone integer NOT NULL,
    change integer NOT NULL,
    CONSTRAINT zone_changes_pkey PRIMARY KEY (minute, zone),
    CONSTRAINT zone_changes_zone_fkey FOREIGN KEY (zone) REFERENCES zones (zone)
);

-- Zones in which somebody was since. `level` is told by events; area, category and drill repeat the venue's, which never change.
CREATE TABLE zone_occupancy (
    zone integer NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    drill_id text NOT NULL,
    inside integer NOT NULL,
    level smallint NOT NULL DEFAULT 0,
    level_since timestamptz,
    CONSTRAINT zone_occupancy_pkey PRIMARY KEY (zone),
    CONSTRAINT zone_occupancy_zone_fkey FOREIGN KEY (zone) REFERENCES zones (zone),
    CONSTRAINT zone_occupancy_level_check CHECK (level BETWEEN 0 AND 3 AND (level > 0) <= (level_since IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX zone_occupancy_area_idx ON zone_occupancy (area);
CREATE INDEX zone_occupancy_crowded_idx ON zone_occupancy (area) WHERE level > 0;

-- The same people by the venues' areas, so that those of a district are read from some hundred rows. Written by the fold alone.
CREATE TABLE area_occupancy (
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    drill_id text NOT NULL,
    inside integer NOT NULL,
    CONSTRAINT area_occupancy_pkey PRIMARY KEY (area, category, drill_id)
) WITH (fillfactor = 70);

-- A level is reached at `rises_at` percent of the capacity and left below `falls_below`, so that one person at the door does not
-- cause an alert a minute.
CREATE TABLE crowding_levels (
    level smallint NOT NULL,
    rises_at integer NOT NULL,
    falls_below integer NOT NULL,
    CONSTRAINT crowding_levels_pkey PRIMARY KEY (level),
    CONSTRAINT crowding_levels_level_check CHECK (level BETWEEN 1 AND 3),
    CONSTRAINT crowding_levels_hysteresis_check CHECK (falls_below > 0 AND falls_below < rises_at)
);
INSERT INTO crowding_levels (level, rises_at, falls_below) VALUES (1, 80, 70), (2, 100, 90), (3, 120, 110);

-- Check-ins with the printed code and with the screen's, by ten minutes since 1970. Kept for two days.
CREATE TABLE code_use (
    slot integer NOT NULL,
    zone integer NOT NULL,
    printed integer NOT NULL,
    shown integer NOT NULL,
    CONSTRAINT code_use_pkey PRIMARY KEY (slot, zone),
    CONSTRAINT code_use_zone_fkey FOREIGN KEY (zone) REFERENCES zones (zone)
);
CREATE INDEX code_use_zone_idx ON code_use (zone, slot);

-- From when on the use of a printed code is suspicious. rate_percent: of the number that fills the place once and then leaves it after
-- the category's usual stay; below rate_floor it never is. night: local hours when such a venue is closed, NULL: it has none;
-- night_limit in an hour. beside_limit: in an hour, of either code.
CREATE TABLE code_rules (
    category smallint NOT NULL,
    rate_percent integer NOT NULL DEFAULT 200,
    rate_floor integer NOT NULL DEFAULT 60,
    night_from smallint,
    night_until smallint,
    night_limit integer NOT NULL DEFAULT 20,
    beside_limit integer NOT NULL DEFAULT 30,
    CONSTRAINT code_rules_pkey PRIMARY KEY (category),
    CONSTRAINT code_rules_category_fkey FOREIGN KEY (category) REFERENCES venue_categories (category),
    CONSTRAINT code_rules_limits_check CHECK (rate_percent >= 100 AND least(rate_floor, night_limit, beside_limit) > 0),
    CONSTRAINT code_rules_night_check CHECK (num_nulls(night_from, night_until) IN (0, 2) AND night_from < night_until AND night_from >= 0 AND night_until <= 24)
);
-- Communities, hotels, clinics and stations have no night; places of entertainment close at two.
INSERT INTO code_rules (category, night_from, night_until)
SELECT category, CASE WHEN category IN (1, 2, 8, 11) THEN NULL WHEN category = 9 THEN 3 ELSE 1 END,
       CASE WHEN category IN (1, 2, 8, 11) THEN NULL ELSE 5 END
FROM venue_categories;

-- One for each zone and local day.
CREATE TABLE code_tasks (
    task_id uuid NOT NULL,
    zone integer NOT NULL,
    day date NOT NULL,
    area text COLLATE "C" NOT NULL,
    drill_id text NOT NULL,
    suspicion smallint NOT NULL,
    window_start timestamptz NOT NULL,
    window_minutes smallint NOT NULL,
    seen integer NOT NULL,
    allowed integer NOT NULL,
    raised_at timestamptz NOT NULL,
    CONSTRAINT code_tasks_pkey PRIMARY KEY (task_id),
    CONSTRAINT code_tasks_zone_key UNIQUE (zone, day),
    CONSTRAINT code_tasks_zone_fkey FOREIGN KEY (zone) REFERENCES zones (zone),
    CONSTRAINT code_tasks_suspicion_check CHECK (suspicion BETWEEN 1 AND 3)
);
CREATE INDEX code_tasks_area_idx ON code_tasks (area, raised_at, task_id);

CREATE TABLE code_task_answers (
    task_id uuid NOT NULL,
    finding smallint NOT NULL,
    note text NOT NULL,
    answered_by text NOT NULL,
    answered_at timestamptz NOT NULL,
    CONSTRAINT code_task_answers_pkey PRIMARY KEY (task_id),
    CONSTRAINT code_task_answers_task_fkey FOREIGN KEY (task_id) REFERENCES code_tasks (task_id),
    CONSTRAINT code_task_answers_finding_check CHECK (finding IN (1, 2))
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON visit_notes TO %I', current_schema());
    EXECUTE format('GRANT SELECT, UPDATE ON occupancy_state TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON zone_changes, code_use TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON zone_occupancy, area_occupancy TO %I', current_schema());
    EXECUTE format('GRANT SELECT ON crowding_levels, code_rules TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON code_tasks, code_task_answers TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
