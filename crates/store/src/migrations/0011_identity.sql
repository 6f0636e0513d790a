-- Who belongs together: identifiers, the facts that joined them, and the forms in which they can be looked for.

CREATE TABLE identifier (
    -- Rises in the order of first sight.
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    -- Of account, type, form and value.
    digest BYTEA NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    form TEXT NOT NULL,
    mode TEXT NOT NULL,
    algorithm TEXT,
    value TEXT NOT NULL,
    x1_id BYTEA NOT NULL UNIQUE,
    -- Those that are joined have the same; of a person, the id of its oldest identifier.
    component BIGINT NOT NULL,
    -- 0: one of its component; 1: junk; 2: crowded; 3: its component is overgrown.
    standing BIGINT NOT NULL,
    -- At how many others its facts look, repeated ones counted each time.
    ties BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    source_id BIGINT NOT NULL,
    source_row BIGINT NOT NULL,
    CONSTRAINT identifier_once UNIQUE (account_id, digest)
);
CREATE INDEX identifier_component ON identifier (component);
CREATE INDEX identifier_standing ON identifier (account_id, standing, id) WHERE standing > 0;

CREATE TABLE identity_fact (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    -- Ids of identifiers, eight bytes each.
    members BYTEA NOT NULL,
    is_cut BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    source_id BIGINT NOT NULL,
    source_row BIGINT NOT NULL
);
CREATE INDEX identity_fact_cut ON identity_fact (account_id, id) WHERE is_cut > 0;

CREATE TABLE identity_fact_member (
    identifier_id BIGINT NOT NULL,
    fact_id BIGINT NOT NULL,
    PRIMARY KEY (identifier_id, fact_id)
);

-- Hashes of clear identifiers, as the digests that identifiers with that hash would have.
CREATE TABLE identifier_alias (
    digest BYTEA NOT NULL,
    identifier_id BIGINT NOT NULL,
    PRIMARY KEY (digest, identifier_id)
);

-- The types and forms of hashes for which every clear identifier has its aliases.
CREATE TABLE identifier_form (
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    form TEXT NOT NULL,
    PRIMARY KEY (account_id, kind, form)
);

-- What an endpoint keeps to itself: identifiers that it does not bring into the graph, and does not get out of it.
CREATE TABLE identity_filter (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    identifier_name TEXT NOT NULL,
    publish_filter BIGINT NOT NULL,
    subscribe_filter BIGINT NOT NULL,
    CONSTRAINT identity_filter_once UNIQUE (endpoint_id, identifier_name)
);
