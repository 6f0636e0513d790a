-- Segments: the audiences that endpoints have, as they announced them or answered when they were asked.

CREATE TABLE segment (
    -- Ours: the order of lists, and where a page goes on.
    number BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    -- `source`: it can be shared. `destination`: it can be shared to.
    role TEXT NOT NULL,
    -- The owner's, as it stands in a path.
    id TEXT NOT NULL,
    -- Whether the owner calls it a text, also where it reads as a number.
    is_text BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    kind TEXT NOT NULL,
    -- JSON: names and types.
    attributes TEXT NOT NULL,
    -- In lower case, for searching.
    name_search TEXT NOT NULL,
    description_search TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (endpoint_id, role, id)
);
CREATE INDEX segment_account ON segment (account_id, number);

-- Endpoints that are asked for their lists: when they last answered, and what is wrong since.
CREATE TABLE segment_list (
    endpoint_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    answered_at BIGINT,
    trouble TEXT,
    PRIMARY KEY (endpoint_id, role)
);

-- The last nightly refresh of each account that was begun.
CREATE TABLE segment_night (
    account_id BIGINT PRIMARY KEY,
    night BIGINT NOT NULL
);
