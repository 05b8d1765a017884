require "active_record"

A, B, SERVICE = ENV.values_at("TOKEN_A", "TOKEN_B", "TOKEN_SERVICE")
OWN = { A => %w[a1 a2], B => %w[b1 b2 b3], nil => [] }

def check(what, got, want)
  abort "#{what}: #{got.inspect}, want #{want.inspect}" unless got == want
  puts "ok #{what}"
end

def connect(token)
  ActiveRecord::Base.establish_connection(adapter: "postgresql", host: ENV["PGHOST"], port: ENV["PGPORT"], username: "app",
                                          password: token, database: ENV["PGDATABASE"], sslmode: "disable", pool: 1)
end

class Lead < ActiveRecord::Base
  self.primary_key = "id"
end

def names = Lead.order(:name).pluck(:name)

[A, B].each do |token|
  connect(token)
  check "all", names, OWN[token]
  check "prepared", 6.times.map { |i| Lead.where("id > ?", i).count }.first, OWN[token].size
  check "serializable", Lead.transaction(isolation: :serializable) { names }, OWN[token]
  Lead.transaction do
    begin
      Lead.transaction(requires_new: true) { Lead.connection.execute("select 1/0") }
    rescue ActiveRecord::StatementInvalid => e
      check "an error in a savepoint", e.cause.class, PG::DivisionByZero
    end
    check "after it", names, OWN[token]
    lead = Lead.create!(name: "ar")
    check "a row", names.last == "ar" || names.include?("ar"), true
    lead.destroy
  end
  check "in batches", Lead.find_each(batch_size: 1).map(&:name).sort, OWN[token]
  Lead.connection.reset!
  check "after a reset", names, OWN[token]
end

connect(SERVICE)
# recipe: activerecord
module Tenant
  def self.with(token)
    ActiveRecord::Base.transaction do
      connection = ActiveRecord::Base.connection
      connection.execute("SET LOCAL moat.tenant_token = #{connection.quote(token)}")
      yield
    end
  end
end
# end
[A, B, A, A, B].each { |token| check "one pool", Tenant.with(token) { names }, OWN[token] }
check "without a tenant", names, []
begin
  Tenant.with("x.y.z") { names }
  abort "a wrong token is taken"
rescue ActiveRecord::StatementInvalid => e
  check "a wrong token", e.cause.result.error_field(PG::PG_DIAG_SQLSTATE), "28P01"
end
check "afterwards", Tenant.with(B) { names }, OWN[B]
