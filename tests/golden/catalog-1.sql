PRAGMA application_id = 0;
PRAGMA user_version = 0;
BEGIN TRANSACTION;
CREATE TABLE content (
	"key" BIGINT NOT NULL, 
	xxh128 BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "content" VALUES(-469397827993470181,X'F97C5D29941BFB1B2FDAB0874906AB82',3);
INSERT INTO "content" VALUES(-5140305826414178347,X'B8A9F715DBB64FD5C56E7783C6820A61',3);
CREATE TABLE digest (
	content BIGINT NOT NULL, 
	algorithm VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (content, algorithm), 
	FOREIGN KEY(content) REFERENCES content ("key")
)
 WITHOUT ROWID

;
INSERT INTO "digest" VALUES(-5140305826414178347,'sha256','3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3');
INSERT INTO "digest" VALUES(-469397827993470181,'sha256','7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed');
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	who VARCHAR NOT NULL, 
	verb VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	journal VARCHAR, 
	PRIMARY KEY (id)
);
INSERT INTO "event" VALUES(1,1790000000,'root','crawl','/mnt/card',NULL);
INSERT INTO "event" VALUES(2,1790000000,'root','tape verify','FA0001',NULL);
CREATE TABLE file (
	id INTEGER NOT NULL, 
	folder INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	mtime_ns BIGINT NOT NULL, 
	inode BIGINT NOT NULL, 
	content BIGINT, 
	verified INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(folder) REFERENCES folder (id), 
	FOREIGN KEY(content) REFERENCES content ("key"), 
	FOREIGN KEY(verified) REFERENCES event (id)
);
INSERT INTO "file" VALUES(1,2,'A001C001.mov',3,1789000000000000000,7,-469397827993470181,NULL);
INSERT INTO "file" VALUES(2,2,'é ''x''.mov',3,1789000000000000000,7,-5140305826414178347,NULL);
INSERT INTO "file" VALUES(3,3,'A001C001.mov',3,1789000000000000000,7,-469397827993470181,2);
CREATE TABLE folder (
	id INTEGER NOT NULL, 
	holder INTEGER NOT NULL, 
	parent INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	signature BLOB, 
	PRIMARY KEY (id), 
	UNIQUE (holder, parent, name), 
	FOREIGN KEY(holder) REFERENCES holder (id)
);
INSERT INTO "folder" VALUES(1,1,0,'',NULL);
INSERT INTO "folder" VALUES(2,1,1,'A001',NULL);
INSERT INTO "folder" VALUES(3,2,0,'',NULL);
CREATE TABLE former (
	id INTEGER NOT NULL, 
	folder INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	content BIGINT NOT NULL, 
	gone INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(folder) REFERENCES folder (id), 
	FOREIGN KEY(content) REFERENCES content ("key"), 
	FOREIGN KEY(gone) REFERENCES event (id)
);
CREATE TABLE frame (
	"key" BIGINT NOT NULL, 
	sequence INTEGER NOT NULL, 
	PRIMARY KEY ("key", sequence), 
	FOREIGN KEY(sequence) REFERENCES sequence (id)
)
 WITHOUT ROWID

;
CREATE TABLE holder (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	identity VARCHAR NOT NULL, 
	label VARCHAR DEFAULT '' NOT NULL, 
	stable BOOLEAN NOT NULL, 
	first_seen BIGINT NOT NULL, 
	last_seen BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (kind, identity)
);
INSERT INTO "holder" VALUES(1,'disk','ext4:0123456789abcdef','/mnt/card',1,1790000000,1790000000);
INSERT INTO "holder" VALUES(2,'cartridge','a8f9cb21-3434-4951-a1d0-40c233ffcac2','FA0001L8',1,1790000000,1790000000);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('version','1');
CREATE TABLE result (
	event INTEGER NOT NULL, 
	folder INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	PRIMARY KEY (event, folder, name), 
	FOREIGN KEY(event) REFERENCES event (id), 
	FOREIGN KEY(folder) REFERENCES folder (id)
)
 WITHOUT ROWID

;
INSERT INTO "result" VALUES(2,3,'A001C001.mov','ok');
CREATE TABLE root (
	folder INTEGER NOT NULL, 
	crawled BIGINT NOT NULL, 
	PRIMARY KEY (folder), 
	FOREIGN KEY(folder) REFERENCES folder (id)
);
CREATE TABLE sequence (
	id INTEGER NOT NULL, 
	folder INTEGER NOT NULL, 
	stem VARCHAR NOT NULL, 
	digits INTEGER NOT NULL, 
	suffix VARCHAR NOT NULL, 
	first BIGINT NOT NULL, 
	frames INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	packed BLOB NOT NULL, 
	verified INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(folder) REFERENCES folder (id), 
	FOREIGN KEY(verified) REFERENCES event (id)
);
CREATE TABLE standing (
	holder INTEGER NOT NULL, 
	folder INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	PRIMARY KEY (holder, folder, name), 
	FOREIGN KEY(holder) REFERENCES holder (id), 
	FOREIGN KEY(folder) REFERENCES folder (id)
);
CREATE UNIQUE INDEX file_path ON file (folder, name);
CREATE INDEX file_content ON file (content);
CREATE UNIQUE INDEX sequence_path ON sequence (folder, stem, digits, suffix, first);
CREATE INDEX result_path ON result (folder, name);
CREATE INDEX former_content ON former (content);
CREATE INDEX frame_sequence ON frame (sequence);
COMMIT;
