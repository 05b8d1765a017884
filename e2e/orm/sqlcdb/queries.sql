-- name: GetLead :one
select id, name, status, meta from leads where id = $1;

-- name: ListLeads :many
select l.name, c.name as campaign from leads l join campaigns c on c.id = l.campaign_id order by l.id;

-- name: CountLeads :one
select count(*) from leads;

-- name: LeadsByName :many
select name from leads where name like $1 and deleted_at is null order by id;

-- name: CreateLead :one
insert into leads (name, email, meta) values ($1, $2, $3) returning id, name, status;

-- name: SetStatus :exec
update leads set status = $2 where name = $1;

-- name: SoftDelete :execrows
update leads set deleted_at = now() where name = $1;

-- name: DeleteLeads :execresult
delete from leads where name = $1;

-- name: Totals :many
select status, sum(score)::bigint as score, count(*) from leads group by status order by status;
