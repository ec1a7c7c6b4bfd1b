-- The plays with their users, songs and artists, and "unknown" in place of a song and an artist that are not known.
--
-- songplay_id      the play
-- start_time       when it began, in UTC
-- user_id          the user
-- first_name       first name of the user
-- last_name        last name of the user
-- gender           gender of the user
-- level            level of the user at the time of the play, free or paid
-- current_level    level of the user in the latest event
-- song_id          the song; unknown if it is not known
-- title            its title; Unknown if the song is not known
-- song_year        its year of release; 0 or null if the song or the year is not known
-- duration         its duration in seconds; null if the song is not known
-- artist_id        the artist; unknown if it is not known
-- artist           name of the artist; Unknown if the artist is not known
-- artist_location  where the artist is from; null if that is not known
-- session_id       the session
-- location         location of the user at the time of the play; null if the log has none
-- user_agent       user agent; null if the log has none
--
-- Each play is one row, whether its song is known or not, so that counts by song or artist add up to all plays.

CREATE OR REPLACE VIEW plays AS
SELECT
    p.songplay_id,
    p.start_time,
    p.user_id,
    u.first_name,
    u.last_name,
    u.gender,
    p.level,
    u.level AS current_level,
    COALESCE(p.song_id, 'unknown') AS song_id,
    COALESCE(s.title, 'Unknown') AS title,
    s.year AS song_year,
    s.duration,
    COALESCE(p.artist_id, 'unknown') AS artist_id,
    COALESCE(a.name, 'Unknown') AS artist,
    a.location AS artist_location,
    p.session_id,
    p.location,
    p.user_agent
FROM songplays p
LEFT JOIN users u ON u.user_id = p.user_id
LEFT JOIN songs s ON s.song_id = p.song_id
LEFT JOIN artists a ON a.artist_id = p.artist_id;
