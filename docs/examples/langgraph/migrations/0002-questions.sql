CREATE TABLE questions (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    answer TEXT NOT NULL,
    asked INTEGER NOT NULL DEFAULT (unixepoch())
);
