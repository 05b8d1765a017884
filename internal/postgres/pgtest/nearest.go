package pgtest

// Nearest makes an access method that orders by distance and cannot search, as those of vectors
// are, and a class of operators of the schema app for points. It finds all rows, where those of
// vectors find some.
const Nearest = `
CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER gisthandler;
CREATE OPERATOR CLASS app.nearest_ops FOR TYPE point USING hnsw AS
  OPERATOR 15 <-> (point, point) FOR ORDER BY pg_catalog.float_ops,
  FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal),
  FUNCTION 2 gist_box_union(internal, internal), FUNCTION 3 gist_point_compress(internal),
  FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal),
  FUNCTION 7 gist_box_same(box, box, internal),
  FUNCTION 8 gist_point_distance(internal, point, smallint, oid, internal),
  FUNCTION 9 gist_point_fetch(internal), STORAGE box;
`
