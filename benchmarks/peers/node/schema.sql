CREATE TABLE driver_location (
    driver_id bigint PRIMARY KEY,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    updated_at timestamptz NOT NULL
);
