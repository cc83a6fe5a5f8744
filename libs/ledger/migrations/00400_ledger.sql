-- The transparency log of the schema it is applied in. Leaves and subtree hashes are only ever added, by ledger_append and
-- by nothing else: the service's login role may read the tables and call the function, so that no statement of the service,
-- however wrong, can leave a gap, a wrong subtree or a shorter log. A superuser can, and is found out by the proofs.

-- migrate:up
CREATE TABLE ledger_leaves (
    leaf_index bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    CONSTRAINT ledger_leaves_pkey PRIMARY KEY (leaf_index),
    -- What other tables refer to: a row that claims a log entry names the position and the content at once.
    CONSTRAINT ledger_leaves_index_hash_key UNIQUE (leaf_index, leaf_hash),
    CONSTRAINT ledger_leaves_index_check CHECK (leaf_index >= 0),
    CONSTRAINT ledger_leaves_hash_check CHECK (octet_length(leaf_hash) = 32)
);

-- Hashes of complete subtrees above the leaves; node_index counts within the level.
CREATE TABLE ledger_nodes (
    level smallint NOT NULL,
    node_index bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT ledger_nodes_pkey PRIMARY KEY (level, node_index),
    CONSTRAINT ledger_nodes_level_check CHECK (level BETWEEN 1 AND 62),
    CONSTRAINT ledger_nodes_index_check CHECK (node_index >= 0),
    CONSTRAINT ledger_nodes_hash_check CHECK (octet_length(hash) = 32)
);

-- One row; its lock puts appenders in order, which makes the log gapless. frontier: the peaks, largest first.
CREATE TABLE ledger_head (
    only_row boolean NOT NULL DEFAULT true,
    size bigint NOT NULL,
    frontier bytea[] NOT NULL,
    CONSTRAINT ledger_head_pkey PRIMARY KEY (only_row),
    CONSTRAINT ledger_head_only_row_check CHECK (only_row),
    CONSTRAINT ledger_head_size_check CHECK (size >= 0),
    CONSTRAINT ledger_head_frontier_check CHECK (cardinality(frontier) = bit_count(size::bit(64)))
);
INSERT INTO ledger_head (size, frontier) VALUES (0, '{}');

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_append_only';
END
$$;

CREATE FUNCTION ledger_refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_append_only';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_head_stays BEFORE DELETE OR TRUNCATE ON ledger_head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_head_only_grows BEFORE UPDATE ON ledger_head
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_shrinking();

-- Adds leaves (their data, not their hashes) in the caller's transaction and returns the index of the first, the size
-- after the last and the peaks at that size. Hashing is RFC 6962; done here, because the hash of a leaf is then the
-- database's own word and a batch costs one round trip while the head is locked.
CREATE FUNCTION ledger_append(leaves bytea[], OUT first_index bigint, OUT new_size bigint, OUT peaks bytea[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    leaf bytea;
    carried bytea;
    place bigint;
    depth smallint;
    top integer;
    leaf_hashes bytea[] := '{}';
    levels smallint[] := '{}';
    indexes bigint[] := '{}';
    hashes bytea[] := '{}';
BEGIN
    IF coalesce(cardinality(leaves), 0) NOT BETWEEN 1 AND 500 OR array_ndims(leaves) <> 1 OR array_position(leaves, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'append takes 1 to 500 leaves' USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_append_batch_check';
    END IF;
    SELECT head.size, head.frontier INTO STRICT first_index, peaks FROM ledger_head AS head FOR UPDATE;
    new_size := first_index;
    top := cardinality(peaks);
    FOREACH leaf IN ARRAY leaves LOOP
        carried := sha256('\x00'::bytea || leaf);
        leaf_hashes := array_append(leaf_hashes, carried);
        place := new_size;
        depth := 0;
        WHILE place & 1 = 1 LOOP
            carried := sha256('\x01'::bytea || peaks[top] || carried);
            top := top - 1;
            place := place >> 1;
            depth := depth + 1;
            levels := array_append(levels, depth);
            indexes := array_append(indexes, place);
            hashes := array_append(hashes, carried);
        END LOOP;
        top := top + 1;
        peaks[top] := carried;
        new_size := new_size + 1;
    END LOOP;
    peaks := peaks[1:top];
    INSERT INTO ledger_leaves (leaf_index, leaf_hash)
        SELECT first_index + added.position - 1, added.hash FROM unnest(leaf_hashes) WITH ORDINALITY AS added (hash, position);
    INSERT INTO ledger_nodes (level, node_index, hash)
        SELECT added.level, added.node_index, added.hash FROM unnest(levels, indexes, hashes) AS added (level, node_index, hash);
    UPDATE ledger_head SET size = new_size, frontier = peaks;
END
$$;

-- A definer's function must not find tables of the caller's choosing, so its search path is fixed.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION ledger_append(bytea[]) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION ledger_append(bytea[]) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION ledger_append(bytea[]) TO %I', current_schema());
    EXECUTE format('GRANT SELECT ON ledger_leaves, ledger_nodes, ledger_head TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
