SELECT 'COPY TO obeys the policies, COPY FROM is refused';
