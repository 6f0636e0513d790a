-- What the exchange has to tell others, written in the transaction of what it tells of: notifications, connect calls and
-- mails; who wants to be notified; and what it takes to sign in there.

CREATE TABLE outbox (
    id BIGINT PRIMARY KEY,
    -- NULL: the operator's own.
    account_id BIGINT,
    endpoint_id BIGINT,
    kind TEXT NOT NULL,
    -- What shares a lane is tried for the first time in the order of ids.
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    -- For people; no secrets.
    summary TEXT NOT NULL,
    -- Sealed.
    payload BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    first_attempt_at BIGINT,
    next_attempt_at BIGINT,
    history TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    -- The process that is sending it, and until when the others leave it alone.
    claimed_by TEXT,
    claimed_until BIGINT
);
CREATE INDEX outbox_due ON outbox (state, next_attempt_at);
CREATE INDEX outbox_lane ON outbox (lane, state, id);
CREATE INDEX outbox_account ON outbox (account_id, id);
CREATE INDEX outbox_endpoint ON outbox (endpoint_id, state);
CREATE INDEX outbox_ended ON outbox (state, ended_at);

-- What PUT /v1/subscription/notification stated. Without a document: the endpoint's provider wants none.
CREATE TABLE subscription_notification (
    endpoint_id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    -- Sealed.
    document BYTEA,
    updated_at BIGINT NOT NULL
);

-- Client ids and secrets that providers gave to the operator.
CREATE TABLE supplier_key (
    id BIGINT PRIMARY KEY,
    provider_id BIGINT NOT NULL,
    -- What documents name.
    supplier_key TEXT NOT NULL,
    -- The token server that the secret may be sent to.
    auth_url TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- Sealed.
    client_secret BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT supplier_key_once UNIQUE (supplier_key)
);

-- Refresh tokens that a token server gave in the place of one that somebody stated.
CREATE TABLE oauth_grant (
    account_id BIGINT NOT NULL,
    -- Of the authentication as it was stated.
    digest TEXT NOT NULL,
    -- Sealed.
    refresh_token BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, digest)
);
