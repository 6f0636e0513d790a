-- The first schema: accounts, endpoints, what they declared, and where the flow stands.
-- Portable: BIGINT microseconds for time, TEXT for JSON, BYTEA for bytes, ids made by the program.

CREATE TABLE sequence (name TEXT PRIMARY KEY, next BIGINT NOT NULL);

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE provider (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_key (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    endpoint_id BIGINT,
    level TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_key_account ON api_key (account_id, endpoint_id);

CREATE TABLE endpoint (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    status TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    disabled_reason TEXT,
    failure_reason TEXT,
    definition TEXT NOT NULL,
    spans TEXT NOT NULL,
    -- Sealed: credentials for calling the endpoint, webhook signing secrets, the event-only key, and the
    -- endpoint key that calls to the endpoint carry.
    attributes BYTEA,
    webhook_secrets BYTEA,
    event_key BYTEA,
    call_key BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX endpoint_account ON endpoint (account_id, id);

CREATE TABLE event_type (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    endpoint_id BIGINT NOT NULL REFERENCES endpoint (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    namespace TEXT NOT NULL,
    version BIGINT NOT NULL,
    registration TEXT NOT NULL,
    attributes TEXT NOT NULL,
    is_custom BIGINT NOT NULL,
    CONSTRAINT event_type_once UNIQUE (endpoint_id, code, namespace, version, registration)
);

CREATE TABLE subscription (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    publisher_id BIGINT NOT NULL REFERENCES endpoint (id),
    code TEXT NOT NULL,
    namespace TEXT,
    destination_id BIGINT NOT NULL REFERENCES endpoint (id),
    enabled BIGINT NOT NULL,
    spans TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX subscription_account ON subscription (account_id, id);
CREATE INDEX subscription_publisher ON subscription (publisher_id, code);
CREATE INDEX subscription_destination ON subscription (destination_id);

-- The flow: one cursor for each shard; for each destination what is routed and not yet delivered.
CREATE TABLE flow_cursor (shard BIGINT PRIMARY KEY, next_seq BIGINT NOT NULL);

CREATE TABLE pending_chunk (
    endpoint_id BIGINT NOT NULL,
    chunk BIGINT NOT NULL,
    bits BYTEA NOT NULL,
    PRIMARY KEY (endpoint_id, chunk)
);

CREATE TABLE delivery_exception (
    endpoint_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    -- Digest of the person, for destinations that ask for strict order; 0 for nobody.
    person BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    first_attempt_at BIGINT NOT NULL,
    last_attempt_at BIGINT NOT NULL,
    next_attempt_at BIGINT,
    history TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, position)
);
CREATE INDEX delivery_exception_account ON delivery_exception (account_id, state, position);

-- What publishers named themselves, so that a repeat is answered and not published again.
CREATE TABLE event_key (
    digest BYTEA PRIMARY KEY,
    account_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX event_key_expiry ON event_key (expires_at);

CREATE TABLE idempotency_key (
    digest BYTEA PRIMARY KEY,
    body BYTEA NOT NULL,
    account_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_key_expiry ON idempotency_key (expires_at);

CREATE TABLE event_file (
    endpoint_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    documents BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    fetched_at BIGINT,
    PRIMARY KEY (endpoint_id, name)
);

CREATE TABLE quarantine (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    violations TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX quarantine_account ON quarantine (account_id, state, id);

CREATE TABLE schema_drift (
    endpoint_id BIGINT NOT NULL,
    code TEXT NOT NULL,
    attribute TEXT NOT NULL,
    what TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, code, attribute, what)
);

-- What the exchange did or saw that people must know: a destination disabled by 410, a backlog near its limit.
CREATE TABLE notice (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX notice_account ON notice (account_id, id);

CREATE TABLE audit (
    id BIGINT PRIMARY KEY,
    account_id BIGINT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX audit_account ON audit (account_id, id);
