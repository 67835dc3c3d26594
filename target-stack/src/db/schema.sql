-- The shop's tables, for MariaDB 10.11 or newer and MySQL 8. Money is in integer cents. No foreign key points to the
-- catalogue: its shared locks on items would turn two purchases of one item into a deadlock.

CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
USE shop;

CREATE TABLE country (
  id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(40) NOT NULL
);

CREATE TABLE address (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  street VARCHAR(60) NOT NULL,
  city VARCHAR(40) NOT NULL,
  postcode VARCHAR(10) NOT NULL,
  country_id SMALLINT UNSIGNED NOT NULL
);

-- `password_hash` is in the PHC string format; the seed's customers share one.
CREATE TABLE customer (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  username VARCHAR(20) NOT NULL,
  password_hash VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  first_name VARCHAR(20) NOT NULL,
  last_name VARCHAR(20) NOT NULL,
  email VARCHAR(60) NOT NULL,
  address_id INT UNSIGNED NOT NULL,
  registered DATE NOT NULL,
  staff TINYINT UNSIGNED NOT NULL,
  UNIQUE KEY customer_username (username)
);

CREATE TABLE author (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  first_name VARCHAR(20) NOT NULL,
  last_name VARCHAR(20) NOT NULL,
  KEY author_last_name (last_name)
);

-- `item_title` lets a search for a word read the titles in order and stop at a full page; for a rare word it still
-- walks the whole index.
CREATE TABLE item (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  title VARCHAR(60) NOT NULL,
  author_id INT UNSIGNED NOT NULL,
  subject VARCHAR(20) NOT NULL,
  published DATE NOT NULL,
  price_cents INT UNSIGNED NOT NULL,
  stock INT NOT NULL,
  description VARCHAR(500) NOT NULL,
  thumbnail VARCHAR(40) NOT NULL,
  related1 INT UNSIGNED NOT NULL,
  related2 INT UNSIGNED NOT NULL,
  related3 INT UNSIGNED NOT NULL,
  related4 INT UNSIGNED NOT NULL,
  related5 INT UNSIGNED NOT NULL,
  KEY item_title (title),
  KEY item_author (author_id),
  KEY item_subject (subject, published)
);

-- The unique key over the idempotency keys is what stores a retried purchase once; buyer and cart tell whether it is the same
-- purchase. Who shows an order's id has to know its secret, which is 0 of the seed's orders. A guest is no customer.
CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  secret BIGINT UNSIGNED NOT NULL,
  idempotency_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  customer_id INT UNSIGNED,
  guest_email VARCHAR(60),
  cart_id BIGINT UNSIGNED,
  placed_at DATETIME NOT NULL,
  subtotal_cents BIGINT UNSIGNED NOT NULL,
  tax_cents BIGINT UNSIGNED NOT NULL,
  total_cents BIGINT UNSIGNED NOT NULL,
  status VARCHAR(10) NOT NULL,
  UNIQUE KEY orders_idempotency_key (idempotency_key),
  KEY orders_customer (customer_id),
  CONSTRAINT orders_of_customer FOREIGN KEY (customer_id) REFERENCES customer (id)
);

CREATE TABLE order_line (
  order_id BIGINT UNSIGNED NOT NULL,
  item_id INT UNSIGNED NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  price_cents INT UNSIGNED NOT NULL,
  PRIMARY KEY (order_id, item_id)
);

-- Ids rise with time: what is old is found by the key.
CREATE TABLE cart (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  secret BIGINT UNSIGNED NOT NULL,
  created_at DATETIME NOT NULL
);

CREATE TABLE cart_line (
  cart_id BIGINT UNSIGNED NOT NULL,
  item_id INT UNSIGNED NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  PRIMARY KEY (cart_id, item_id)
);

-- Under the hash of its secret: who reads this table cannot take a session over.
CREATE TABLE session (
  token_hash BINARY(32) NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED,
  cart_id BIGINT UNSIGNED,
  expires_at DATETIME NOT NULL,
  KEY session_expires (expires_at)
);

CREATE TABLE world (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  random_number INT UNSIGNED NOT NULL
);

-- The app may read and write rows, and nothing else. It needs no password: the way in is the socket, whose
-- directory is closed to other users.
CREATE USER 'shop'@'localhost' IDENTIFIED BY '';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO 'shop'@'localhost';
