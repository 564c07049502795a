-- One notification per statement wakes the relay; notifications carry no data and may be lost: the relay polls as well.
create function outbox_notify() returns trigger language plpgsql as $$
begin
    if coalesce(current_setting('camloop.outbox_notify', true), 'on') = 'on' then
        perform pg_notify('camloop_outbox_' || tg_table_schema, '');
    end if;
    return null;
end $$;
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();
