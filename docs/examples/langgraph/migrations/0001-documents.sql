CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- A table of sqlite-vec: the connection must have loaded the extension.
CREATE VIRTUAL TABLE vectors USING vec0(
    document_id INTEGER PRIMARY KEY,
    embedding FLOAT[256]
);
