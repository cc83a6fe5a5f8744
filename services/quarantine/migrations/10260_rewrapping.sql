-- migrate:up

-- Which version of the key-encryption key wrapped a person's data key. 61 bytes that begin with 1 name none and are of the first;
-- 63 bytes that begin with 2 name it in the two that follow. What stands in rows from before reads as version 1.
CREATE FUNCTION kek_version(wrapped bytea) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE get_byte(wrapped, 0) WHEN 1 THEN 1 ELSE get_byte(wrapped, 1) * 256 + get_byte(wrapped, 2) END;

-- NOT VALID: the rows that are there came from the same code, and a look at each would hold up everybody.
ALTER TABLE residents ADD CONSTRAINT residents_data_key_check CHECK (
    CASE octet_length(data_key) WHEN 61 THEN get_byte(data_key, 0) = 1 WHEN 63 THEN get_byte(data_key, 0) = 2 ELSE data_key IS NULL END
) NOT VALID;

-- Puts each person's data key, wrapped by a newer key-encryption key, in the place of the same one as it was read. The service may
-- insert people and not change them, so this is a function of the owner, and all that it can do is this: nobody who was erased
-- comes back, nobody is erased, and a row that changed meanwhile or that somebody is at is left alone. It answers how many it changed.
CREATE FUNCTION rewrap_people(people uuid[], formers bytea[], wrapped bytea[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    changed integer;
BEGIN
    WITH free AS (
        SELECT r.resident_id, n.wrapped FROM residents r
        JOIN unnest(people, formers, wrapped) AS n (resident_id, former, wrapped)
          ON r.resident_id = n.resident_id AND r.data_key = n.former
        WHERE kek_version(n.wrapped) > kek_version(n.former)
        FOR NO KEY UPDATE OF r SKIP LOCKED
    )
    UPDATE residents r SET data_key = free.wrapped FROM free WHERE r.resident_id = free.resident_id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END
$$;

-- A definer's function must not find tables of the caller's choosing, so its search path is fixed.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION rewrap_people(uuid[], bytea[], bytea[]) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION rewrap_people(uuid[], bytea[], bytea[]) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION rewrap_people(uuid[], bytea[], bytea[]) TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
