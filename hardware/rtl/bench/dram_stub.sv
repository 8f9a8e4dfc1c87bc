// A memory for simulation: a beat of n bytes holds the bus for n / (rate/256) cycles, at least one, and parts of a cycle
// add up over beats that follow each other; reads are answered in order, writes acknowledged, `latency` cycles after
// the bus is free again. Only the bytes asked for are charged, and an idle bus saves nothing up. Not for synthesis.
module dram_stub #(
    parameter int PORT = 4,          // bytes of a beat
    parameter int BYTES = 1 << 20,   // size of the memory
    parameter int SLOTS = 4096       // reads or writes under way at once, a power of two
) (
    input  logic              clk,        // clock
    input  logic              rst,        // reset, synchronous
    input  logic signed [31:0]latency,    // cycles from a beat's acceptance to its answer, at least 1
    input  logic signed [31:0]rate,       // bytes a cycle, times 256
    input  logic              req_valid,  // a beat is asked for
    output logic              req_ready,  // and accepted
    input  logic              req_write,  // it is a write
    input  logic [      31:0] req_addr,   // its byte address
    input  logic [       7:0] req_bytes,  // its bytes
    input  logic [PORT*8-1:0] req_data,   // what to write
    output logic              rsp_valid,  // an answer to a read
    input  logic              rsp_ready,  // and taken
    output logic [PORT*8-1:0] rsp_data,   // what was read
    output logic              ack         // one write has arrived
);
  logic [7:0] words[BYTES];
  logic [PORT*8-1:0] data[SLOTS];
  logic signed [31:0] rd_due[SLOTS];
  logic signed [31:0] wr_due[SLOTS];
  logic signed [31:0] now, debt, cost, rd_in, rd_out, wr_in, wr_out;
  logic signed [31:0] held;  // cycles until the bus is free again

  // A cycle is worth `rate`. The debt is what the bus still owes when a cycle begins: a beat may start in the cycle in
  // which it is paid.
  assign cost = 256 * req_bytes > rate ? 256 * req_bytes : rate;
  assign held = (debt + cost + rate - 1) / rate;
  assign req_ready = debt < rate;
  assign rsp_valid = rd_in != rd_out && rd_due[rd_out%SLOTS] <= now;
  assign rsp_data  = data[rd_out%SLOTS];

  always @(posedge clk) begin
    now <= now + 1;
    ack <= 1'b0;
    if (rst) begin
      now <= 0;
      debt <= 0;
      {rd_in, rd_out, wr_in, wr_out} <= '0;
    end else begin
      debt <= debt > rate ? debt - rate : 0;
      if (req_valid && req_ready) begin
        debt <= debt + cost - rate;
        if (req_addr + req_bytes > BYTES) $fatal(1, "address %0d is outside the memory", req_addr);
        for (int b = 0; b < PORT; b++) begin
          if (req_write && b < req_bytes) words[req_addr+b] <= req_data[b*8+:8];
          if (!req_write) data[rd_in%SLOTS][b*8+:8] <= b < req_bytes ? words[req_addr+b] : 8'hx;
        end
        if (req_write) begin
          wr_due[wr_in%SLOTS] <= now + latency + held - 1;
          wr_in <= wr_in + 1;
        end else begin
          rd_due[rd_in%SLOTS] <= now + latency + held - 1;
          rd_in <= rd_in + 1;
        end
      end
      if (rsp_valid && rsp_ready) rd_out <= rd_out + 1;
      if (wr_in != wr_out && wr_due[wr_out%SLOTS] <= now) begin
        ack <= 1'b1;
        wr_out <= wr_out + 1;
      end
    end
  end
endmodule
