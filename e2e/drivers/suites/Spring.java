import java.sql.*;
import java.util.*;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.transaction.*;
import org.springframework.transaction.support.TransactionTemplate;

public class Spring {
  // recipe: spring
  static class TenantTransactions extends DataSourceTransactionManager {
    static final ThreadLocal<String> TOKEN = new ThreadLocal<>(); // of the request

    TenantTransactions(DataSource pool) { super(pool); }

    @Override
    protected void prepareTransactionalConnection(Connection c, TransactionDefinition d) throws SQLException {
      if (TOKEN.get() != null) try (Statement s = c.createStatement()) {
        s.execute("SET LOCAL moat.tenant_token = '" + TOKEN.get().replace("'", "''") + "'");
      }
    }
  }
  // end

  static void check(String what, Object got, Object want) {
    if (!got.equals(want)) {
      System.err.println(what + ": " + got + ", want " + want);
      System.exit(1);
    }
    System.out.println("ok " + what);
  }

  public static void main(String[] args) throws Exception {
    PGSimpleDataSource server = new PGSimpleDataSource();
    server.setUrl("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
        + System.getenv("PGDATABASE") + "?sslmode=disable");
    server.setUser("app");
    server.setPassword(System.getenv("TOKEN_SERVICE"));
    SingleConnectionDataSource pool = new SingleConnectionDataSource(server.getConnection(), true);
    JdbcTemplate jdbc = new JdbcTemplate(pool);
    TransactionTemplate transaction = new TransactionTemplate(new TenantTransactions(pool));
    Map<String, List<String>> own = new LinkedHashMap<>();
    own.put("TOKEN_A", List.of("a1", "a2"));
    own.put("TOKEN_B", List.of("b1", "b2", "b3"));
    own.put("none", List.of());
    for (int i = 0; i < 8; i++) {
      for (String who : own.keySet()) {
        TenantTransactions.TOKEN.set(System.getenv(who));
        check(who, transaction.execute(s -> jdbc.queryForList("select name from leads where id > ? order by name",
            String.class, 0)), own.get(who));
        check(who + " rolled back", transaction.execute(s -> {
          s.setRollbackOnly();
          return who.equals("none") ? 1 : jdbc.update("insert into leads (name) values (?)", "of " + who);
        }), 1);
      }
    }
    TenantTransactions.TOKEN.set("x.y.z");
    try {
      transaction.execute(s -> 1);
      System.exit(1);
    } catch (TransactionException e) {
      check("a wrong token", ((SQLException) e.getMostSpecificCause()).getSQLState(), "28P01");
    }
  }
}
