SELECT 'DETAIL of a violated key is left out under row-level security';
