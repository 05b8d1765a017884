ALTER FUNCTION app.doc_again(app.doc) SECURITY INVOKER;
