SELECT 'RETURNING shows visible rows only';
