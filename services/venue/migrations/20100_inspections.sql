-- migrate:up
-- Inspections and the checklists they follow. Everything here is written once: who inspected what, when, and what was found.

-- A checklist is data: a later version is a later migration's rows, and an inspection names the version it followed.
-- subject: 1 venue (with a category), 2 checkpoint, 3 community, 4 public place (category 0).
CREATE TABLE checklists (
    subject smallint NOT NULL,
    category smallint NOT NULL,
    version integer NOT NULL,
    effective_from timestamptz NOT NULL,
    CONSTRAINT checklists_pkey PRIMARY KEY (subject, category, version),
    CONSTRAINT checklists_subject_check CHECK (subject BETWEEN 1 AND 4 AND (subject = 1) = (category > 0)),
    CONSTRAINT checklists_version_check CHECK (version > 0)
);

CREATE TABLE checklist_texts (
    item text NOT NULL,
    text_zh text NOT NULL,
    text_en text NOT NULL,
    CONSTRAINT checklist_texts_pkey PRIMARY KEY (item),
    CONSTRAINT checklist_texts_item_check CHECK (item ~ '^[a-z][a-z0-9_]{1,39}$')
);

-- position counts from 1; an inspection's outcomes stand in this order.
CREATE TABLE checklist_items (
    subject smallint NOT NULL,
    category smallint NOT NULL,
    version integer NOT NULL,
    position smallint NOT NULL,
    item text NOT NULL,
    CONSTRAINT checklist_items_pkey PRIMARY KEY (subject, category, version, position),
    CONSTRAINT checklist_items_item_key UNIQUE (subject, category, version, item),
    CONSTRAINT checklist_items_checklist_fkey FOREIGN KEY (subject, category, version)
        REFERENCES checklists (subject, category, version),
    CONSTRAINT checklist_items_text_fkey FOREIGN KEY (item) REFERENCES checklist_texts (item)
);

INSERT INTO checklist_texts (item, text_zh, text_en) VALUES
    ('entrants_registered', '进入人员逐一扫码登记，无漏登', 'Everybody who enters is registered, nobody is missed'),
    ('three_codes', '查验“三码”（健康码、行程码、场所码），有专人负责', 'The three codes (health, itinerary, venue) are checked by somebody in charge'),
    ('temperature', '进入人员逐一测温，体温异常有处置', 'Everybody''s temperature is taken, and a fever is acted upon'),
    ('masks', '工作人员和顾客规范佩戴口罩', 'Staff and visitors wear masks properly'),
    ('app_in_use', '“离里通”场所码张贴在醒目处并正常使用', 'The venue''s Lilitong code hangs where it is seen, and is used'),
    ('disinfection', '按规定通风消毒，记录完整', 'Airing and disinfection as prescribed, with complete records'),
    ('no_crowding', '控制人流，保持一米距离，无聚集', 'Numbers are limited, one metre is kept, nobody crowds'),
    ('gate_staffed', '出入口专人值守，无人值守的通道封闭', 'Gates are staffed, and those that are not are shut'),
    ('arrivals_reported', '外来和返回人员登记并及时上报', 'Arrivals and returners are registered and reported in time'),
    ('grid_visits', '网格员按时走访，台账齐全', 'Grid workers visit on time, and their records are complete'),
    ('guest_origins', '登记旅客来源地和近14天行程', 'Guests'' origins and their last 14 days are registered'),
    ('spare_room', '设有临时隔离房间', 'A room for temporary isolation is kept ready'),
    ('queue_distance', '收银、排队处设一米线', 'Lines one metre apart where people queue'),
    ('baskets', '购物车、购物筐每日消毒', 'Trolleys and baskets are disinfected daily'),
    ('entrances', '出入口分设，单向通行', 'Entrances and exits are apart, one way only'),
    ('ventilation', '通风和空调系统按规定运行、清洗', 'Ventilation and air conditioning run and are cleaned as prescribed'),
    ('waste', '垃圾日产日清，环境整洁', 'Waste is cleared daily, the place is clean'),
    ('live_trade', '无活禽宰杀和野生动物交易', 'No live slaughter, no trade in wild animals'),
    ('tableware', '餐具一人一用一消毒，提供公筷公勺', 'Tableware is disinfected after each use, serving chopsticks are offered'),
    ('table_spacing', '餐桌间距一米以上，控制就餐人数', 'Tables stand a metre apart, diners are limited'),
    ('staff_health', '从业人员健康监测和核酸检测记录齐全', 'Records of staff''s health and tests are complete'),
    ('morning_check', '落实晨午检和因病缺勤追踪', 'Morning and noon checks, absence by illness is followed up'),
    ('visitors_barred', '校外无关人员不得进入', 'People from outside do not enter'),
    ('fever_reported', '发热患者登记并立即上报，不自行诊治', 'Fever patients are registered and reported at once, not treated'),
    ('medicine_registered', '购买退烧、止咳、抗病毒、抗生素药品实名登记', 'Buyers of fever, cough, antiviral and antibiotic medicine are registered'),
    ('capacity_limited', '接待人数不超过核定容量的规定比例', 'No more guests than the prescribed share of capacity'),
    ('equipment', '器材一客一消毒', 'Equipment is disinfected after each user'),
    ('origin_check', '查验来自风险地区人员并引导登记', 'People from risk areas are identified and led to registration'),
    ('notice_posted', '防控要求和举报电话公示', 'The requirements and the telephone for complaints are posted'),
    ('import_papers', '进口冷链食品“三证一报告”齐全', 'Imported cold chain food has its three certificates and the report'),
    ('trace_code', '追溯码逐批赋码、扫码出入库', 'Each lot has its trace code, scanned in and out'),
    ('protective_gear', '一线人员防护用品佩戴规范', 'Front-line staff wear protective gear properly'),
    ('shift_complete', '值班人员到岗到位，交接班有记录', 'The shift is complete, the handover is recorded'),
    ('scanner_current', '扫码设备在线，名单为最新', 'The scanner is on line and its list current'),
    ('no_gatherings', '无棋牌、舞会等聚集性活动', 'No card games, dancing or other gatherings');

DO $$
DECLARE
    common text[] := '{entrants_registered,three_codes,temperature,masks,app_in_use,disinfection,no_crowding}';
    listed record;
BEGIN
    FOR listed IN
        SELECT * FROM (VALUES
            (1, 1, common || '{gate_staffed,arrivals_reported}'::text[]),
            (1, 2, common || '{guest_origins,spare_room}'::text[]),
            (1, 3, common || '{queue_distance,baskets}'::text[]),
            (1, 4, common || '{entrances,ventilation}'::text[]),
            (1, 5, common || '{waste,live_trade}'::text[]),
            (1, 6, common || '{tableware,table_spacing,staff_health}'::text[]),
            (1, 7, common || '{morning_check,visitors_barred}'::text[]),
            (1, 8, common || '{fever_reported,medicine_registered}'::text[]),
            (1, 9, common || '{capacity_limited,ventilation}'::text[]),
            (1, 10, common || '{capacity_limited,equipment}'::text[]),
            (1, 11, common || '{origin_check,ventilation}'::text[]),
            (1, 12, common || '{queue_distance,notice_posted}'::text[]),
            (1, 13, common || '{import_papers,trace_code,staff_health,protective_gear}'::text[]),
            (2, 0, '{entrants_registered,three_codes,temperature,masks,shift_complete,scanner_current,arrivals_reported,protective_gear,disinfection,no_crowding}'::text[]),
            (3, 0, '{gate_staffed,entrants_registered,three_codes,temperature,masks,app_in_use,arrivals_reported,grid_visits,disinfection,no_crowding,waste}'::text[]),
            (4, 0, '{masks,no_crowding,no_gatherings,disinfection,notice_posted,waste}'::text[])
        ) AS lists (subject, category, items)
    LOOP
        INSERT INTO checklists (subject, category, version, effective_from)
            VALUES (listed.subject, listed.category, 1, '2020-01-01T00:00:00Z');
        INSERT INTO checklist_items (subject, category, version, position, item)
            SELECT listed.subject, listed.category, 1, each.position, each.item
            FROM unnest(listed.items) WITH ORDINALITY AS each (item, position);
    END LOOP;
END
$$;

-- What depends on a venue carries its drill, so that nothing of a drill can be about a real venue.
ALTER TABLE venues ADD CONSTRAINT venues_drill_key UNIQUE (venue_id, drill_id);

-- outcomes: one number for each item of the checklist, in its order (1 met, 2 failed, 3 not applicable).
CREATE TABLE inspections (
    inspection_id uuid NOT NULL,
    subject smallint NOT NULL,
    venue_id uuid,
    post_id uuid,
    subject_name text NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    checklist_version integer NOT NULL,
    outcomes smallint[] NOT NULL,
    passed boolean NOT NULL,
    first_inspector text NOT NULL,
    second_inspector text NOT NULL,
    recorded_by text NOT NULL,
    -- The device's time, and ours.
    inspected_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    latitude_e7 integer,
    longitude_e7 integer,
    accuracy_metres integer,
    -- The measure that it looks at again; see 20200_enforcement.sql.
    reinspects uuid,
    drill_id text NOT NULL,
    -- SHA-256 of what the client said, but for the request's id: another request that says the same is the same inspection.
    digest bytea NOT NULL,
    CONSTRAINT inspections_pkey PRIMARY KEY (inspection_id),
    -- What a measure refers to.
    CONSTRAINT inspections_failed_key UNIQUE (inspection_id, venue_id, passed, first_inspector, second_inspector),
    CONSTRAINT inspections_subject_check CHECK (
        (subject = 1) = (venue_id IS NOT NULL) AND (subject = 2) = (post_id IS NOT NULL) AND (subject_name <> '')
    ),
    CONSTRAINT inspections_reinspects_check CHECK (reinspects IS NULL OR subject = 1),
    CONSTRAINT inspections_area_check CHECK (area ~ '^[0-9]{9,18}$'),
    CONSTRAINT inspections_inspectors_check CHECK (first_inspector <> second_inspector),
    CONSTRAINT inspections_recorder_check CHECK (recorded_by IN (first_inspector, second_inspector)),
    CONSTRAINT inspections_outcomes_check CHECK (
        cardinality(outcomes) BETWEEN 1 AND 60 AND 1 <= ALL (outcomes) AND 3 >= ALL (outcomes)
    ),
    CONSTRAINT inspections_passed_check CHECK (passed = (2 <> ALL (outcomes))),
    CONSTRAINT inspections_time_check CHECK (inspected_at <= recorded_at + interval '2 minutes'),
    CONSTRAINT inspections_position_check CHECK (
        num_nulls(latitude_e7, longitude_e7, accuracy_metres) IN (0, 3) AND abs(latitude_e7) <= 900000000
        AND abs(longitude_e7) <= 1800000000 AND accuracy_metres >= 0
    ),
    CONSTRAINT inspections_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT inspections_checklist_fkey FOREIGN KEY (subject, category, checklist_version)
        REFERENCES checklists (subject, category, version),
    CONSTRAINT inspections_venue_fkey FOREIGN KEY (venue_id, drill_id) REFERENCES venues (venue_id, drill_id)
);
CREATE INDEX inspections_area_idx ON inspections (area, recorded_at, inspection_id);
CREATE INDEX inspections_recorded_idx ON inspections (recorded_at, inspection_id);
CREATE INDEX inspections_venue_idx ON inspections (venue_id, recorded_at) WHERE venue_id IS NOT NULL;

-- Items that failed, or about which the inspectors said or showed something.
CREATE TABLE inspection_findings (
    inspection_id uuid NOT NULL,
    item text NOT NULL,
    outcome smallint NOT NULL,
    remark text NOT NULL,
    CONSTRAINT inspection_findings_pkey PRIMARY KEY (inspection_id, item),
    CONSTRAINT inspection_findings_inspection_fkey FOREIGN KEY (inspection_id) REFERENCES inspections (inspection_id),
    CONSTRAINT inspection_findings_item_fkey FOREIGN KEY (item) REFERENCES checklist_texts (item),
    CONSTRAINT inspection_findings_remark_check CHECK (length(remark) <= 500)
);

-- Photos are named by their SHA-256; they lie in the object store, and may come after the inspection.
CREATE TABLE inspection_photos (
    inspection_id uuid NOT NULL,
    item text NOT NULL,
    sha256 bytea NOT NULL,
    CONSTRAINT inspection_photos_pkey PRIMARY KEY (inspection_id, item, sha256),
    CONSTRAINT inspection_photos_finding_fkey FOREIGN KEY (inspection_id, item)
        REFERENCES inspection_findings (inspection_id, item),
    CONSTRAINT inspection_photos_sha256_check CHECK (octet_length(sha256) = 32)
);

CREATE TABLE stored_photos (
    sha256 bytea NOT NULL,
    media_type text NOT NULL,
    bytes integer NOT NULL,
    stored_at timestamptz NOT NULL,
    CONSTRAINT stored_photos_pkey PRIMARY KEY (sha256),
    CONSTRAINT stored_photos_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT stored_photos_bytes_check CHECK (bytes > 0)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT ON checklists, checklist_texts, checklist_items TO %I', current_schema());
    EXECUTE format(
        'GRANT SELECT, INSERT ON inspections, inspection_findings, inspection_photos, stored_photos TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
