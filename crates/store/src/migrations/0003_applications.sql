-- Applications: products that their providers define once, and the endpoints that are made from them.

CREATE TABLE application (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    visibility TEXT NOT NULL,
    -- As it was sent.
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX application_account ON application (account_id, id);
CREATE INDEX application_visibility ON application (visibility, id);

CREATE TABLE deployment (
    application_id BIGINT NOT NULL,
    -- The provider's own word, or a number.
    id TEXT NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    -- Rises: lists are in the order of creation.
    number BIGINT NOT NULL,
    document TEXT NOT NULL,
    -- How accounts are taken on: the document with masks for its secrets, and these, sealed.
    onboarding TEXT,
    onboarding_secrets BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, id)
);

CREATE TABLE deployment_event_type (
    id BIGINT PRIMARY KEY,
    application_id BIGINT NOT NULL,
    deployment_id TEXT NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    namespace TEXT NOT NULL,
    version BIGINT NOT NULL,
    registration TEXT NOT NULL,
    attributes TEXT NOT NULL,
    is_custom BIGINT NOT NULL,
    CONSTRAINT deployment_event_type_once UNIQUE (application_id, deployment_id, code, namespace, version, registration)
);

-- Endpoints that are made from an application.
CREATE TABLE registration (
    endpoint_id BIGINT PRIMARY KEY,
    -- The endpoint's, not the application's.
    account_id BIGINT NOT NULL REFERENCES account (id),
    application_id BIGINT NOT NULL,
    deployment_id TEXT,
    -- What the endpoint's own call states; none until there was one.
    stated TEXT,
    -- Sealed: what the user answered to the prompts.
    answers BYTEA,
    -- The call to the provider, among those that go out.
    connect_id BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX registration_application ON registration (application_id, deployment_id);

-- Event types that an endpoint has from its deployment, and those that it took off again.
CREATE TABLE given_event_type (
    endpoint_id BIGINT NOT NULL,
    code TEXT NOT NULL,
    namespace TEXT NOT NULL,
    version BIGINT NOT NULL,
    registration TEXT NOT NULL,
    account_id BIGINT NOT NULL REFERENCES account (id),
    is_removed BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, code, namespace, version, registration)
);
