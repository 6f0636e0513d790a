-- The partner program: companies that connect a product, what their endpoints showed in pilot, and the test drive.

CREATE TABLE partner (
    id BIGINT PRIMARY KEY,
    stage TEXT NOT NULL,
    -- What the company asks for.
    request TEXT NOT NULL,
    pilot_account_id BIGINT,
    production_account_id BIGINT,
    -- Given at the end of the review.
    certificate TEXT,
    -- Of what was promoted last.
    digest TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX partner_pilot ON partner (pilot_account_id);

-- Who did what when; append-only.
CREATE TABLE partner_step (
    id BIGINT PRIMARY KEY,
    partner_id BIGINT NOT NULL,
    step TEXT NOT NULL,
    stage TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX partner_step_partner ON partner_step (partner_id, id);

-- Which application of production each of pilot became.
CREATE TABLE partner_application (
    partner_id BIGINT NOT NULL,
    pilot_application_id BIGINT NOT NULL,
    production_application_id BIGINT NOT NULL,
    PRIMARY KEY (partner_id, pilot_application_id)
);

-- How often calls of a pilot account ended in each way: one row for each, whatever the number of calls.
CREATE TABLE observation (
    account_id BIGINT NOT NULL,
    what TEXT NOT NULL,
    outcome TEXT NOT NULL,
    seen BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, what, outcome)
);

-- The built-in endpoints of an account's test drive, and how its receiver answers.
CREATE TABLE test_drive (
    account_id BIGINT PRIMARY KEY,
    publisher_id BIGINT NOT NULL,
    receiver_id BIGINT NOT NULL,
    answer TEXT NOT NULL
);

-- The last pushes of a test drive, as they were sent and answered.
CREATE TABLE test_push (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    url TEXT NOT NULL,
    -- Without credentials.
    headers TEXT NOT NULL,
    body TEXT NOT NULL,
    -- JSON: the status, or why there was none, and the text.
    answer TEXT NOT NULL
);
CREATE INDEX test_push_account ON test_push (account_id, id);
