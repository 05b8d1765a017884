SELECT 'MERGE touches visible rows only';
