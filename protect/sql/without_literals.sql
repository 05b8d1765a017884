
-- Returns a statement with ? in place of each literal and without comments; NULL where it
-- cannot be told what is a literal.
SELECT CASE WHEN current_setting('standard_conforming_strings') = 'on'
             AND statement !~ '\$([[:alpha:]_]\w*)?\$' AND text !~ '/\*|\*/'
       THEN left(regexp_replace(regexp_replace(btrim(text, ' ;'), '\(\s*\?(\s*,\s*\?)+\s*\)', '(?, …)', 'g'),
              '\(\?, …\)(\s*,\s*\(\?, …\))+', '(?, …), …', 'g'), 1000) END
  FROM (SELECT string_agg(CASE WHEN token[1] IS NOT NULL THEN ' ' WHEN token[2] IS NOT NULL THEN '?' ELSE token[3] END, '' ORDER BY place) AS text
          FROM regexp_matches(statement,
            -- space and comments | a string, a number | a name, a parameter, anything else
            '((?:--[^\n]*|/\*(?:[^*]|\*+[^*/])*(?:\*+/|$)|\s)+)'
            '|([eE]''(?:\\.|''''|[^''\\])*(?:''|$)|(?:[bBxXnN]|[uU]&)?''(?:''''|[^''])*(?:''|$)|\d[\w.]*)'
            '|("(?:""|[^"])*(?:"|$)|(?:[[:alpha:]_]|[^\x01-\x7f])(?:[\w$]|[^\x01-\x7f])*|\$\d+|.)', 'g') WITH ORDINALITY AS tokens (token, place)) read
