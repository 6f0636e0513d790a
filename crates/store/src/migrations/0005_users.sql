-- People, what they may do and how they prove who they are; and what the audit trail knows of a call.

CREATE TABLE person (
    id BIGINT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    is_operator BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- Sealed: the hash of the password.
    password BYTEA,
    -- Issuer and subject of a single sign-on.
    identity TEXT UNIQUE,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);

CREATE TABLE member (
    account_id BIGINT NOT NULL REFERENCES account (id),
    person_id BIGINT NOT NULL REFERENCES person (id),
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, person_id)
);
CREATE INDEX member_person ON member (person_id, account_id);

-- What a mail carries so that somebody can choose a password, once. Only its hash is kept.
CREATE TABLE ticket (
    hash BYTEA PRIMARY KEY,
    person_id BIGINT NOT NULL REFERENCES person (id),
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ticket_person ON ticket (person_id);

CREATE TABLE session (
    id BIGINT PRIMARY KEY,
    person_id BIGINT NOT NULL REFERENCES person (id),
    hash BYTEA NOT NULL UNIQUE,
    address TEXT,
    agent TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
CREATE INDEX session_person ON session (person_id, id);

CREATE TABLE access_token (
    id BIGINT PRIMARY KEY,
    person_id BIGINT NOT NULL REFERENCES person (id),
    hash BYTEA NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX access_token_person ON access_token (person_id, id);

-- How often somebody has tried to sign in: by a hash of whom and from where.
CREATE TABLE sign_in_try (
    hash BYTEA PRIMARY KEY,
    since BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX sign_in_try_since ON sign_in_try (since);

ALTER TABLE audit ADD COLUMN actor_name TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN request TEXT;
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_subject ON audit (subject, id);
