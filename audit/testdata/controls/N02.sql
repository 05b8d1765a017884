SELECT 'the application role may SET row_security = off: queries then fail';
