<?php
$own = [getenv('TOKEN_A') => ['a1', 'a2'], getenv('TOKEN_B') => ['b1', 'b2', 'b3']];
const NAMES = 'select name from leads order by name';

function check($what, $got, $want) {
    if ($got !== $want) {
        fwrite(STDERR, "$what: " . json_encode($got) . ', want ' . json_encode($want) . "\n");
        exit(1);
    }
    echo "ok $what\n";
}

function connect($token, $emulate) {
    $dsn = sprintf('pgsql:host=%s;port=%s;dbname=%s;sslmode=disable', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
    return new PDO($dsn, 'app', $token, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => $emulate]);
}

function names($pdo) {
    return $pdo->query(NAMES)->fetchAll(PDO::FETCH_COLUMN);
}

foreach ($own as $token => $want) {
    foreach ([false, true] as $emulate) {
        $pdo = connect($token, $emulate);
        check('all', names($pdo), $want);
        $s = $pdo->prepare('select name from leads where id = ?');
        $s->execute([1]);
        check('an argument', $s->fetchAll(PDO::FETCH_COLUMN), [$want[0]]);
        $pdo->beginTransaction();
        $pdo->exec('set transaction isolation level serializable');
        check('serializable', names($pdo), $want);
        try {
            $pdo->query('select 1/0');
        } catch (PDOException $e) {
            check('an error', $e->getCode(), '22012');
        }
        $pdo->rollBack();
        check('after it', names($pdo), $want);
        $pdo->beginTransaction();
        $pdo->exec("insert into leads (name) values ('php')");
        check('a row', $pdo->exec("delete from leads where name = 'php'"), 1);
        $pdo->commit();
    }
}

foreach ([false, true] as $emulate) {
    $pdo = connect(getenv('TOKEN_SERVICE'), $emulate);
    // recipe: pdo
    $asTenant = function (string $token, callable $work) use ($pdo) {
        $pdo->beginTransaction();
        try {
            $pdo->exec('SET LOCAL moat.tenant_token = ' . $pdo->quote($token));
            $result = $work($pdo);
            $pdo->commit();
            return $result;
        } catch (Throwable $e) { $pdo->rollBack(); throw $e; }
    };
    // end
    foreach ([...array_keys($own), ...array_reverse(array_keys($own))] as $token) {
        check('one pool', $asTenant($token, 'names'), $own[$token]);
    }
    check('without a tenant', names($pdo), []);
    try {
        $asTenant('x.y.z', 'names');
        exit(1);
    } catch (PDOException $e) {
        check('a wrong token', $e->getCode(), '28P01');
    }
}
