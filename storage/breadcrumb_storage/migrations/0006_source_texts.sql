-- Adds the text of the program's own files as it was when a trace ended, redacted: files change, and lines then have other numbers.

CREATE TABLE source_texts (
    digest VARCHAR PRIMARY KEY,  -- of the file, before the redaction
    text   VARCHAR NOT NULL
);

CREATE TABLE source_files (
    trace_id VARCHAR NOT NULL,
    file     VARCHAR NOT NULL,
    digest   VARCHAR NOT NULL
);
