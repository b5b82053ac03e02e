-- Lists are paged newest first: without this a page would read every row's document.
CREATE INDEX resource_created ON resource(kind, created, id);
