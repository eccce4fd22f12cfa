-- The role that postgres_exporter connects as: it reads statistics, and no table. Run once on the primary, as a superuser.
CREATE ROLE postgres_exporter LOGIN CONNECTION LIMIT 4;
GRANT pg_monitor TO postgres_exporter;
