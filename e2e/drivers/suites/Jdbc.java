import java.io.StringReader;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;

public class Jdbc {
  static final String NAMES = "select name from leads order by name";
  static final String A = System.getenv("TOKEN_A"), B = System.getenv("TOKEN_B"), SERVICE = System.getenv("TOKEN_SERVICE");

  static List<String> own(String token) {
    return token.equals(A) ? List.of("a1", "a2") : token.equals(B) ? List.of("b1", "b2", "b3") : List.of();
  }

  static void check(String what, Object got, Object want) {
    if (!got.equals(want)) {
      System.err.println(what + ": " + got + ", want " + want);
      System.exit(1);
    }
    System.out.println("ok " + what);
  }

  static Connection connect(String token, String mode) throws SQLException {
    Properties p = new Properties();
    p.put("user", "app");
    p.put("password", token);
    p.put("sslmode", "disable");
    p.put("preferQueryMode", mode);
    return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
        + System.getenv("PGDATABASE"), p);
  }

  static List<String> names(Connection c) throws SQLException {
    List<String> out = new ArrayList<>();
    try (PreparedStatement s = c.prepareStatement(NAMES); ResultSet r = s.executeQuery()) {
      while (r.next()) out.add(r.getString(1));
    }
    return out;
  }

  static String error(Connection c, String sql) {
    try (Statement s = c.createStatement()) {
      s.execute(sql);
      return "none";
    } catch (SQLException e) {
      return e.getSQLState();
    }
  }

  static void tenant(String token, String mode) throws Exception {
    List<String> own = own(token);
    try (Connection c = connect(token, mode)) {
      for (int i = 0; i < 8; i++) check(mode + ", prepared by the server from the fifth on", names(c), own);
      c.setAutoCommit(false);
      c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      check("serializable", names(c), own);
      try (Statement s = c.createStatement()) {
        s.setFetchSize(1);
        ResultSet r = s.executeQuery(NAMES);
        int n = 0;
        while (r.next()) n++;
        check("by portals", n, own.size());
      }
      Savepoint sp = c.setSavepoint();
      check("an error", error(c, "select 1/0"), "22012");
      c.rollback(sp);
      check("after a savepoint", names(c), own);
      c.commit();
      try (PreparedStatement s = c.prepareStatement("insert into leads (name) values (?)")) {
        for (int i = 0; i < 500; i++) {
          s.setString(1, "jd" + i);
          s.addBatch();
        }
        check("a batch", s.executeBatch().length, 500);
      }
      c.rollback();
      check("rolled back", names(c), own);
      c.rollback();
      c.setAutoCommit(true);
      try (Statement s = c.createStatement()) {
        s.execute("create temp table t (a int)");
      }
      check("COPY FROM", c.unwrap(PGConnection.class).getCopyAPI().copyIn("copy t from stdin", new StringReader("1\n2\n")), 2L);
      try (Statement s = c.createStatement()) {
        s.setQueryTimeout(1);
        s.execute("select pg_sleep(30)");
        System.exit(1);
      } catch (SQLException e) {
        check("a time-out, which cancels", e.getSQLState(), "57014");
      }
      check("after it", names(c), own);
      check("the schema", c.getMetaData().getTables(null, null, "leads", null).next(), true);
    }
  }

  // recipe: jdbc
  interface Work<T> { T in(Connection c) throws SQLException; }

  static <T> T asTenant(Connection c, String token, Work<T> work) throws SQLException {
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.execute("SET LOCAL moat.tenant_token = '" + token.replace("'", "''") + "'");
      T result = work.in(c);
      c.commit();
      return result;
    } catch (SQLException e) { c.rollback(); throw e; }
  }
  // end

  public static void main(String[] args) throws Exception {
    for (String mode : List.of("extended", "simple", "extendedForPrepared", "extendedCacheEverything")) {
      tenant(A, mode);
      tenant(B, mode);
      try (Connection c = connect(SERVICE, mode)) {
        for (int i = 0; i < 8; i++) {
          check(mode + ", one pool", asTenant(c, A, Jdbc::names), own(A));
          check(mode + ", one pool", asTenant(c, B, Jdbc::names), own(B));
        }
        c.setAutoCommit(true);
        check("without a tenant", names(c), List.of());
        try {
          asTenant(c, "x.y.z", Jdbc::names);
          System.exit(1);
        } catch (SQLException e) {
          check("a wrong token", e.getSQLState(), "28P01");
        }
      }
    }
  }
}
