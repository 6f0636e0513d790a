-- Several processes on one database: who runs which shard of accounts, who changed what the others hold in memory,
-- and what one process asks of the one that runs a shard.

CREATE TABLE process (
    id TEXT PRIMARY KEY,
    roles TEXT NOT NULL,
    -- Rises while the process lives.
    beat BIGINT NOT NULL
);

CREATE TABLE shard_lease (
    shard BIGINT PRIMARY KEY,
    -- Empty when nobody has it.
    owner TEXT NOT NULL,
    -- Rises with every owner: what is written under an older one is refused.
    epoch BIGINT NOT NULL,
    -- Rises while the owner lives.
    beat BIGINT NOT NULL
);

CREATE TABLE registry_change (
    version BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    process TEXT NOT NULL
);

CREATE TABLE flow_order (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    positions BYTEA NOT NULL
);

-- Positions repeat between shards: a refused event is known by its account and position.
CREATE TABLE quarantine_by_account (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    violations TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT quarantine_once UNIQUE (account_id, position)
);
INSERT INTO quarantine_by_account (id, account_id, endpoint_id, position, state, body, violations, created_at, changed_at)
    SELECT id, account_id, endpoint_id, position, state, body, violations, created_at, changed_at FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE quarantine_by_account RENAME TO quarantine;
CREATE INDEX quarantine_account ON quarantine (account_id, state, id);

-- How much of its allowance an account has used up in a window of time (a second or a day, both counted from 1970).
CREATE TABLE quota_use (
    account_id BIGINT NOT NULL,
    span_seconds BIGINT NOT NULL,
    span BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (account_id, span_seconds, span)
);
CREATE INDEX quota_use_span ON quota_use (span_seconds, span);
