DROP TABLE marks;
DROP TABLE tokens;
DROP TABLE staff_permissions;
DROP TABLE staff;
DROP TABLE employers;
DROP TABLE thumbnails;
DROP TABLE images;
