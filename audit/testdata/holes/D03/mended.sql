GRANT {{owner}} TO {{mover}};
