-- migrate:up
-- Spot checks: teams, and draws that nobody can steer. Everything here is written once. That a draw's seed is the one that was
-- committed to, that a second person opened it, and that no pair goes where one of it is at home, hold by constraint.

CREATE TABLE supervision_teams (
    team_id uuid NOT NULL,
    name text NOT NULL,
    area text COLLATE "C" NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT supervision_teams_pkey PRIMARY KEY (team_id),
    CONSTRAINT supervision_teams_name_key UNIQUE (area, name),
    CONSTRAINT supervision_teams_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT supervision_teams_area_check CHECK (area ~ '^[0-9]{2,18}$')
);

-- The id stands for the account wherever a draw is published.
CREATE TABLE spot_check_inspectors (
    inspector_id uuid NOT NULL,
    account text NOT NULL,
    CONSTRAINT spot_check_inspectors_pkey PRIMARY KEY (inspector_id),
    CONSTRAINT spot_check_inspectors_account_key UNIQUE (account)
);

-- The latest entry of an inspector holds.
CREATE TABLE supervision_memberships (
    inspector_id uuid NOT NULL,
    ordinal integer NOT NULL,
    team_id uuid NOT NULL,
    home_community text COLLATE "C" NOT NULL,
    leaves boolean NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT supervision_memberships_pkey PRIMARY KEY (inspector_id, ordinal),
    CONSTRAINT supervision_memberships_home_check CHECK (home_community ~ '^[0-9]{12}$'),
    CONSTRAINT supervision_memberships_inspector_fkey FOREIGN KEY (inspector_id) REFERENCES spot_check_inspectors (inspector_id),
    CONSTRAINT supervision_memberships_team_fkey FOREIGN KEY (team_id) REFERENCES supervision_teams (team_id)
);
CREATE INDEX supervision_memberships_team_idx ON supervision_memberships (team_id);

-- A commitment. frame: the frozen candidates and counts as canonical JSON. The secret itself is in no table until the draw is done:
-- it follows from the vault's key and the frame.
CREATE TABLE spot_checks (
    draw_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    title text NOT NULL,
    drill_id text NOT NULL,
    committed_by text NOT NULL,
    committed_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    frame bytea NOT NULL,
    frame_hash bytea NOT NULL,
    secret_hash bytea NOT NULL,
    eligible integer NOT NULL,
    drawn integer NOT NULL,
    leaf_index bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    salt bytea NOT NULL,
    leaf_content bytea NOT NULL,
    CONSTRAINT spot_checks_pkey PRIMARY KEY (draw_id),
    CONSTRAINT spot_checks_leaf_key UNIQUE (leaf_index),
    CONSTRAINT spot_checks_committer_key UNIQUE (draw_id, committed_by, leaf_index, leaf_hash),
    CONSTRAINT spot_checks_secret_key UNIQUE (draw_id, secret_hash),
    CONSTRAINT spot_checks_area_check CHECK (area ~ '^[0-9]{6,18}$'),
    CONSTRAINT spot_checks_end_check CHECK (ends_at > committed_at AND ends_at <= committed_at + interval '60 days 1 minute'),
    CONSTRAINT spot_checks_counts_check CHECK (eligible BETWEEN 1 AND 20000 AND drawn BETWEEN 1 AND eligible),
    CONSTRAINT spot_checks_frame_check CHECK (frame_hash = sha256(frame) AND octet_length(secret_hash) = 32),
    -- The entry of the log commits to this frame and this secret (libs/ledger: commitment in a leaf).
    CONSTRAINT spot_checks_leaf_check CHECK (
        leaf_hash = sha256('\x00'::bytea || sha256('lilitong/commitment/1'::bytea || '\x0010'::bytea || salt || leaf_content))
        AND octet_length(salt) = 16 AND position(frame_hash IN leaf_content) > 0 AND position(secret_hash IN leaf_content) > 0
    ),
    CONSTRAINT spot_checks_leaf_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash)
);
CREATE INDEX spot_checks_area_idx ON spot_checks (area, committed_at, draw_id);

-- The second person's number, in the log before anything is drawn. beacon: the log's root right after it, as checkpoint signs it.
CREATE TABLE spot_check_openings (
    draw_id uuid NOT NULL,
    committed_by text NOT NULL,
    commitment_index bigint NOT NULL,
    commitment_hash bytea NOT NULL,
    contributor text NOT NULL,
    contribution bytea NOT NULL,
    contributed_at timestamptz NOT NULL,
    leaf_index bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    leaf_content bytea NOT NULL,
    beacon bytea NOT NULL,
    checkpoint text NOT NULL,
    CONSTRAINT spot_check_openings_pkey PRIMARY KEY (draw_id),
    CONSTRAINT spot_check_openings_beacon_key UNIQUE (draw_id, beacon),
    CONSTRAINT spot_check_openings_second_person_check CHECK (contributor <> committed_by),
    CONSTRAINT spot_check_openings_order_check CHECK (leaf_index > commitment_index),
    CONSTRAINT spot_check_openings_sizes_check CHECK (octet_length(contribution) = 32 AND octet_length(beacon) = 32),
    CONSTRAINT spot_check_openings_leaf_check CHECK (
        leaf_hash = sha256('\x00'::bytea || sha256(
            'lilitong/commitment/1'::bytea || '\x0010'::bytea || '\x00000000000000000000000000000000'::bytea || leaf_content))
        AND position(contribution IN leaf_content) > 0 AND position(commitment_hash IN leaf_content) > 0
    ),
    CONSTRAINT spot_check_openings_commitment_fkey FOREIGN KEY (draw_id, committed_by, commitment_index, commitment_hash)
        REFERENCES spot_checks (draw_id, committed_by, leaf_index, leaf_hash),
    CONSTRAINT spot_check_openings_leaf_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash)
);

-- The draw. Its secret is the one committed to, and its seed follows from that and the beacon.
CREATE TABLE spot_check_draws (
    draw_id uuid NOT NULL,
    secret bytea NOT NULL,
    secret_hash bytea NOT NULL,
    beacon bytea NOT NULL,
    seed bytea NOT NULL,
    pairs integer NOT NULL,
    drawn_at timestamptz NOT NULL,
    CONSTRAINT spot_check_draws_pkey PRIMARY KEY (draw_id),
    CONSTRAINT spot_check_draws_secret_check CHECK (
        secret_hash = sha256(convert_to('lilitong/spot-check-secret/1|' || encode(secret, 'hex'), 'UTF8'))
    ),
    CONSTRAINT spot_check_draws_seed_check CHECK (
        seed = sha256(convert_to(
            'lilitong/spot-check-seed/1|' || encode(secret, 'hex') || '|' || draw_id::text || '|' || encode(beacon, 'hex'), 'UTF8'))
    ),
    CONSTRAINT spot_check_draws_commitment_fkey FOREIGN KEY (draw_id, secret_hash) REFERENCES spot_checks (draw_id, secret_hash),
    CONSTRAINT spot_check_draws_opening_fkey FOREIGN KEY (draw_id, beacon) REFERENCES spot_check_openings (draw_id, beacon)
);

CREATE TABLE spot_check_pairs (
    draw_id uuid NOT NULL,
    pair integer NOT NULL,
    team_id uuid NOT NULL,
    first_inspector uuid NOT NULL,
    second_inspector uuid NOT NULL,
    first_account text NOT NULL,
    second_account text NOT NULL,
    first_home text COLLATE "C" NOT NULL,
    second_home text COLLATE "C" NOT NULL,
    CONSTRAINT spot_check_pairs_pkey PRIMARY KEY (draw_id, pair),
    CONSTRAINT spot_check_pairs_first_key UNIQUE (draw_id, first_inspector),
    CONSTRAINT spot_check_pairs_second_key UNIQUE (draw_id, second_inspector),
    CONSTRAINT spot_check_pairs_homes_key UNIQUE (draw_id, pair, first_home, second_home),
    CONSTRAINT spot_check_pairs_accounts_key UNIQUE (draw_id, pair, first_account, second_account),
    CONSTRAINT spot_check_pairs_two_check CHECK (first_inspector <> second_inspector AND first_account <> second_account),
    CONSTRAINT spot_check_pairs_draw_fkey FOREIGN KEY (draw_id) REFERENCES spot_check_draws (draw_id),
    CONSTRAINT spot_check_pairs_team_fkey FOREIGN KEY (team_id) REFERENCES supervision_teams (team_id),
    CONSTRAINT spot_check_pairs_first_fkey FOREIGN KEY (first_inspector) REFERENCES spot_check_inspectors (inspector_id),
    CONSTRAINT spot_check_pairs_second_fkey FOREIGN KEY (second_inspector) REFERENCES spot_check_inspectors (inspector_id)
);
CREATE INDEX spot_check_pairs_accounts_idx ON spot_check_pairs (first_account, second_account);

CREATE TABLE spot_check_assignments (
    draw_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    drill_id text NOT NULL,
    community text COLLATE "C" NOT NULL,
    pair integer NOT NULL,
    first_home text COLLATE "C" NOT NULL,
    second_home text COLLATE "C" NOT NULL,
    CONSTRAINT spot_check_assignments_pkey PRIMARY KEY (draw_id, venue_id),
    CONSTRAINT spot_check_assignments_pair_key UNIQUE (draw_id, venue_id, pair),
    CONSTRAINT spot_check_assignments_away_check CHECK (
        NOT starts_with(first_home, community) AND NOT starts_with(second_home, community)
    ),
    CONSTRAINT spot_check_assignments_pair_fkey FOREIGN KEY (draw_id, pair, first_home, second_home)
        REFERENCES spot_check_pairs (draw_id, pair, first_home, second_home),
    CONSTRAINT spot_check_assignments_venue_fkey FOREIGN KEY (venue_id, drill_id) REFERENCES venues (venue_id, drill_id)
);
CREATE INDEX spot_check_assignments_pair_idx ON spot_check_assignments (draw_id, pair, venue_id);

-- The moment from which the venue may know. begun_at is the device's time.
CREATE TABLE spot_check_begins (
    draw_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    pair integer NOT NULL,
    first_account text NOT NULL,
    second_account text NOT NULL,
    begun_by text NOT NULL,
    begun_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    latitude_e7 integer,
    longitude_e7 integer,
    accuracy_metres integer,
    CONSTRAINT spot_check_begins_pkey PRIMARY KEY (draw_id, venue_id),
    CONSTRAINT spot_check_begins_accounts_key UNIQUE (draw_id, venue_id, first_account, second_account),
    CONSTRAINT spot_check_begins_by_check CHECK (begun_by IN (first_account, second_account)),
    CONSTRAINT spot_check_begins_time_check CHECK (begun_at <= recorded_at + interval '2 minutes'),
    CONSTRAINT spot_check_begins_position_check CHECK (
        num_nulls(latitude_e7, longitude_e7, accuracy_metres) IN (0, 3) AND abs(latitude_e7) <= 900000000
        AND abs(longitude_e7) <= 1800000000 AND accuracy_metres >= 0
    ),
    CONSTRAINT spot_check_begins_assignment_fkey FOREIGN KEY (draw_id, venue_id, pair)
        REFERENCES spot_check_assignments (draw_id, venue_id, pair),
    CONSTRAINT spot_check_begins_pair_fkey FOREIGN KEY (draw_id, pair, first_account, second_account)
        REFERENCES spot_check_pairs (draw_id, pair, first_account, second_account)
);
CREATE INDEX spot_check_begins_venue_idx ON spot_check_begins (venue_id, begun_at);

-- What came of it: an inspection of this venue by the two of this pair.
CREATE TABLE spot_check_inspections (
    draw_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    first_account text NOT NULL,
    second_account text NOT NULL,
    inspection_id uuid NOT NULL,
    passed boolean NOT NULL,
    first_inspector text NOT NULL,
    second_inspector text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT spot_check_inspections_pkey PRIMARY KEY (draw_id, venue_id),
    CONSTRAINT spot_check_inspections_inspection_key UNIQUE (inspection_id),
    CONSTRAINT spot_check_inspections_pair_check CHECK (
        first_inspector IN (first_account, second_account) AND second_inspector IN (first_account, second_account)
    ),
    CONSTRAINT spot_check_inspections_begin_fkey FOREIGN KEY (draw_id, venue_id, first_account, second_account)
        REFERENCES spot_check_begins (draw_id, venue_id, first_account, second_account),
    CONSTRAINT spot_check_inspections_inspection_fkey FOREIGN KEY (inspection_id, venue_id, passed, first_inspector, second_inspector)
        REFERENCES inspections (inspection_id, venue_id, passed, first_inspector, second_inspector)
);

-- Told once; that it may be read follows from the other tables and the time.
CREATE TABLE spot_check_publications (
    draw_id uuid NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT spot_check_publications_pkey PRIMARY KEY (draw_id),
    CONSTRAINT spot_check_publications_draw_fkey FOREIGN KEY (draw_id) REFERENCES spot_check_draws (draw_id)
);

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON supervision_teams, spot_check_inspectors, supervision_memberships, spot_checks, spot_check_openings,
         spot_check_draws, spot_check_pairs, spot_check_assignments, spot_check_begins, spot_check_inspections,
         spot_check_publications TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
