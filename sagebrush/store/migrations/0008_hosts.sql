-- Where what is held is: a host for each instance, and what each asks for where there are several.
ALTER TABLE reservation ADD COLUMN parts TEXT NOT NULL DEFAULT '';
  -- JSON, [[cpu, memory, gpus], ...]; '': all of it is one instance's
ALTER TABLE reservation ADD COLUMN hosts TEXT NOT NULL DEFAULT '';
  -- the id of the host of each instance that is held: "local,b"; '': it waits
UPDATE reservation SET hosts='local' WHERE held=1;
