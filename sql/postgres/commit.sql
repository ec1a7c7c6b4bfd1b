-- Commits a load. Without it, the load changes nothing.
--
-- Usage: after verify.sql, in the same session; stage.sql has the whole command.

\set ON_ERROR_STOP on

COMMIT;
