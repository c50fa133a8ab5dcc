DROP INDEX thumbnails_image_id;
CREATE INDEX thumbnails_image_id ON thumbnails (image_id);
